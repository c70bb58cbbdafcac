package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.train.Trainer.TrainingEvents;

/** {@code objective: dpo} beside TRL's DPOTrainer (preference.py): 20 steps, from an adapter. */
class PreferenceParityTest {
  private static final Path PAIRS = Variant.VARIANTS.resolve("preference");
  private static final List<String> LOG_PROBS =
      List.of(
          "rewards/chosen",
          "rewards/rejected",
          "rewards/margins",
          "logps/chosen",
          "logps/rejected");

  @TempDir Path scratch;

  private Variant variant(String name) throws Exception {
    Variant variant =
        new Variant("preference/" + name, scratch)
            .with("objective", "dpo")
            .with("model_id", GoldenRun.GOLDEN.resolve("model").toUri())
            .with("dataset_path", PAIRS.resolve("rows.safetensors").toUri());
    switch (name) {
      case "full" -> variant.with("method", "full");
      case "head" ->
          variant
              .model("tied")
              .with("dataset_path", PAIRS.resolve("rows-tied.safetensors").toUri())
              .with("method", "lora")
              .with("loss_type", "sigmoid,sft")
              .with("loss_weights", "1,0.5")
              .adapter(Variant.VARIANTS.resolve("tied-lm_head.start"));
      default -> variant.with("method", "lora").adapter(Variant.startOfTrajectories(scratch));
    }
    if (name.equals("ipo")) {
      variant.with("loss_type", "ipo").with("beta", 0.3);
    } else if (name.equals("mixed")) {
      variant
          .with("loss_type", "sigmoid,sft,ipo")
          .with("loss_weights", "0.8,1.5,0.1")
          .with("beta", 0.5);
    }
    return variant;
  }

  @ParameterizedTest
  @CsvSource({
    "sigmoid, 1",
    "sigmoid, 2",
    "ipo, 1",
    "mixed, 1",
    "mixed, 4",
    "full, 1",
    "full, 2",
    "head, 1",
    "head, 2"
  })
  void losses_norms_and_weights_are_those_of_trl(String name, int ranks) throws Exception {
    Variant variant = variant(name);
    variant.compareSteps(ranks, 1e-4, 1e-3);
    variant.compareWeights(1e-3);
  }

  @ParameterizedTest
  @CsvSource({"sigmoid", "mixed"})
  void rewards_and_log_probabilities_are_those_of_trl(String name) throws Exception {
    JsonNode golden = GoldenRun.json("variants/preference/" + name + ".json").path("steps");
    List<TrainingEvents.Step> ours = variant(name).run(2);
    assertThat(ours).hasSize(20);
    for (int i = 0; i < ours.size(); i++) {
      JsonNode step = golden.path(i);
      for (String metric : LOG_PROBS) {
        double theirs = step.path(metric).asDouble();
        assertThat(ours.get(i).ofPairs().get(metric))
            .as("%s of step %s", metric, i + 1)
            .isCloseTo(theirs, within(1e-4 + 1e-4 * Math.abs(theirs)));
      }
      assertThat(ours.get(i).ofPairs().get("rewards/accuracies"))
          .isEqualTo(step.path("rewards/accuracies").asDouble());
    }
  }

  /** The reference is the model with the adapter that training begins with. */
  @Test
  void the_first_step_has_no_rewards_whatever_adapter_training_begins_with() throws Exception {
    TrainingEvents.Step first = variant("sigmoid").run(1).get(0);
    assertThat(first.ofPairs().get("rewards/chosen")).isCloseTo(0, within(1e-5));
    assertThat(first.loss()).isCloseTo(Math.log(2), within(1e-6));
  }

  @ParameterizedTest
  @CsvSource({"sigmoid, 1", "full, 2"})
  void in_bfloat16_the_losses_are_near(String name, int ranks) throws Exception {
    JsonNode golden = GoldenRun.json("variants/preference/" + name + ".json").path("steps");
    List<TrainingEvents.Step> ours = variant(name).with("bf16", true).run(ranks);
    for (int i = 0; i < ours.size(); i++) {
      assertThat(ours.get(i).loss())
          .isCloseTo(golden.path(i).path("loss").asDouble(), within(0.05));
    }
  }

  /** A device whose memory host code does not see: losses come back, weights go there. */
  @Test
  void on_a_device_of_its_own_memory_the_steps_are_the_same() throws Exception {
    List<TrainingEvents.Step> here = variant("mixed").with("max_steps", 3).run(1);
    List<TrainingEvents.Step> there =
        variant("mixed").with("max_steps", 3).on(new ComputeDevice.Staged()).run(1);
    for (int i = 0; i < 3; i++) {
      assertThat(there.get(i).loss()).isEqualTo(here.get(i).loss());
      assertThat(there.get(i).gradNorm()).isEqualTo(here.get(i).gradNorm());
      assertThat(there.get(i).ofPairs()).isEqualTo(here.get(i).ofPairs());
    }
  }

  /** {@code rpo_alpha} is a second spelling. */
  @Test
  void rpo_alpha_adds_the_loss_of_chosen_answers() throws Exception {
    List<TrainingEvents.Step> one =
        variant("sigmoid").with("max_steps", 3).with("rpo_alpha", 0.5).run(1);
    List<TrainingEvents.Step> other =
        variant("sigmoid")
            .with("max_steps", 3)
            .with("loss_type", "sigmoid,sft")
            .with("loss_weights", "1,0.5")
            .run(1);
    for (int i = 0; i < 3; i++) {
      assertThat(one.get(i).loss()).isEqualTo(other.get(i).loss()).isGreaterThan(Math.log(2));
    }
  }
}
