package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.LongToDoubleFunction;
import java.util.stream.LongStream;
import java.util.stream.StreamSupport;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.config.BestModel;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Regularization;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.engine.train.Trainer.TrainingEvents.Evaluated;

/**
 * Schedules, evaluations, early stopping, smoothing and noise beside transformers' (steering.py).
 */
class SteeringParityTest {
  /** Where the processor has no bfloat16, a step that computes in it takes ten times as long. */
  private static final int EMULATED_STEPS = 6;

  private static JsonNode golden;
  @TempDir Path folder;

  @BeforeAll
  static void read() throws IOException {
    golden = GoldenRun.json("steering.json");
  }

  private TrainConfig config(Object... keys) {
    List<String> words =
        new ArrayList<>(
            List.of(
                "--model_id",
                folder.toString(),
                "--dataset_path",
                folder.toString(),
                "--output_dir",
                folder.resolve("run").toString()));
    for (int i = 0; i < keys.length; i += 2) {
      words.addAll(List.of("--" + keys[i], keys[i + 1].toString()));
    }
    return new ConfigLoader(new Configuration(false)).train(Optional.empty(), words).config();
  }

  @Test
  void every_schedule_gives_the_rates_of_transformers() {
    int total = golden.path("total").asInt();
    double peak = golden.path("rate").asDouble();
    assertThat(golden.path("schedules")).hasSizeGreaterThan(10);
    for (JsonNode schedule : golden.path("schedules")) {
      List<Object> keys =
          new ArrayList<>(List.of("lr_scheduler_type", schedule.path("type").asText()));
      keys.addAll(List.of("warmup_steps", schedule.path("warmup"), "learning_rate", peak));
      if (!schedule.path("kwargs").isEmpty()) {
        keys.addAll(List.of("lr_scheduler_kwargs", schedule.path("kwargs")));
      }
      LearningRate rate = new LearningRate(config(keys.toArray()).optimization(), total);
      for (int step = 1; step <= total; step++) {
        assertThat(rate.at(step))
            .as("%s, step %s", schedule, step)
            .isCloseTo(schedule.path("rates").path(step - 1).asDouble(), within(1e-12 * peak));
      }
    }
  }

  /** {@code label_smoothing_factor} and {@code neftune_noise_alpha}, 20 steps in float32. */
  @ParameterizedTest
  @CsvSource({
    "smoothed-lora, 1", "smoothed-lora, 2", "smoothed-full, 1", "smoothed-full, 2",
    "noisy-lora, 1", "noisy-lora, 2", "noisy-full, 1", "noisy-full, 2"
  })
  void smoothed_labels_and_noise_give_the_losses_and_norms_of_the_reference(String name, int ranks)
      throws Exception {
    JsonNode steps = golden.path("trajectories").path(name);
    List<GoldenRun.Step> ours = run(name).run(ranks, steps.size(), rate(steps), 0.3, 0).steps();
    assertThat(ours).hasSize(20);
    for (int i = 0; i < ours.size(); i++) {
      double loss = steps.path(i).path("loss").asDouble();
      double norm = steps.path(i).path("grad_norm").asDouble();
      assertThat(ours.get(i).loss())
          .as("loss of step %d", i + 1)
          .isCloseTo(loss, within(1e-4 * loss));
      assertThat(ours.get(i).gradNorm())
          .as("norm of step %d", i + 1)
          .isCloseTo(norm, within(1e-3 * norm));
    }
  }

  @ParameterizedTest
  @CsvSource({"smoothed-lora", "smoothed-full", "noisy-lora", "noisy-full"})
  void in_bfloat16_the_losses_are_near(String name) throws Exception {
    JsonNode steps = golden.path("trajectories").path(name);
    GoldenRun.What what = name.endsWith("full") ? GoldenRun.What.FULL : GoldenRun.What.LORA;
    List<GoldenRun.Step> ours =
        new GoldenRun(what, Precision.BFLOAT16, 0, folder)
            .regularized(how(name))
            .run(2, EMULATED_STEPS, rate(steps), 0.3, 0)
            .steps();
    for (int i = 0; i < ours.size(); i++) {
      double loss = steps.path(i).path("loss").asDouble();
      assertThat(ours.get(i).loss()).isCloseTo(loss, within(1e-2 * loss));
    }
  }

  /**
   * One batch after the other through all layers, or all together; other batches of other ranks.
   */
  @Test
  void neither_groups_of_batches_nor_ranks_change_the_noise() throws Exception {
    JsonNode steps = golden.path("trajectories").path("noisy-lora");
    List<GoldenRun.Step> together = run("noisy-lora").run(1, 3, rate(steps), 0.3, 0).steps();
    List<GoldenRun.Step> apart =
        run("noisy-lora").inGroupsOf(1).run(1, 3, rate(steps), 0.3, 0).steps();
    assertThat(apart).isEqualTo(together);
    List<GoldenRun.Step> ranks = run("noisy-lora").run(4, 3, rate(steps), 0.3, 0).steps();
    for (int i = 0; i < 3; i++) {
      double loss = together.get(i).loss();
      assertThat(ranks.get(i).loss()).isCloseTo(loss, within(1e-6 * loss));
    }
    List<GoldenRun.Step> without =
        new GoldenRun(GoldenRun.What.LORA, Precision.FLOAT32, 0, folder)
            .run(1, 1, rate(steps), 0.3, 0)
            .steps();
    assertThat(without.get(0).loss()).isNotCloseTo(together.get(0).loss(), within(1e-4));
  }

  private GoldenRun run(String name) {
    GoldenRun.What what = name.endsWith("full") ? GoldenRun.What.FULL : GoldenRun.What.LORA;
    return new GoldenRun(what, Precision.FLOAT32, 0, folder).regularized(how(name));
  }

  private static Regularization how(String name) {
    return name.startsWith("noisy")
        ? new Regularization(0, Optional.of(golden.path("alpha").asDouble()))
        : new Regularization(golden.path("smoothing").asDouble(), Optional.empty());
  }

  private static LongToDoubleFunction rate(JsonNode steps) {
    return step -> steps.path((int) step - 1).path("learning_rate").asDouble();
  }

  @Test
  void evaluations_are_put_off_as_transformers_puts_them_off() {
    assertThat(golden.path("delays")).hasSize(14);
    for (JsonNode delay : golden.path("delays")) {
      int perEpoch = delay.path("per_epoch").asInt();
      TrainConfig config =
          config(
              "eval_strategy", delay.path("strategy").asText(),
              "eval_steps", delay.path("every"),
              "eval_delay", delay.path("delay"),
              "max_steps", 12);
      StepSchedule schedule = new StepSchedule(perEpoch, 1, config.loop(), 1);
      List<Long> due =
          LongStream.rangeClosed(1, 12)
              .filter(step -> schedule.evaluates(config.reporting(), step))
              .boxed()
              .toList();
      assertThat(due)
          .as("%s", delay)
          .containsExactlyElementsOf(
              StreamSupport.stream(delay.path("steps").spliterator(), false)
                  .map(JsonNode::asLong)
                  .toList());
    }
  }

  @Test
  void the_best_evaluation_and_the_end_are_the_trainers() {
    assertThat(golden.path("runs")).hasSizeGreaterThan(10);
    int early = 0;
    for (JsonNode run : golden.path("runs")) {
      BestModel settings =
          config(
                  "load_best_model_at_end", true,
                  "greater_is_better", run.path("greater"),
                  "early_stopping_patience", run.path("patience"),
                  "early_stopping_threshold", run.path("threshold"))
              .best();
      BestEvaluation best = new BestEvaluation(settings);
      int step = 0;
      while (step < run.path("values").size() && !best.endsRun()) {
        // A start that goes on from a checkpoint remembers all of it.
        BestEvaluation resumed = new BestEvaluation(settings);
        resumed.restore(best.counters());
        best = resumed;
        double value = run.path("values").path(step++).asDouble();
        best.evaluated(new Evaluated(step, 0, value, 1, Map.of(), Map.of(), List.of(), 0));
      }
      assertThat(best.resultingStep()).isEqualTo(OptionalLong.of(run.path("step").asLong()));
      assertThat(best.summary().get(0).value()).isEqualTo(run.path("best").asDouble());
      assertThat(best.endsRun() ? step : 0).isEqualTo(run.path("ended").asInt());
      early += best.endsRun() ? 1 : 0;
    }
    assertThat(early).isBetween(5, golden.path("runs").size() - 5);
  }

  @Test
  void one_source_of_a_mixture_may_choose() {
    BestModel settings =
        config("early_stopping_patience", 1, "metric_for_best_model", "eval_hard_loss").best();
    BestEvaluation best = new BestEvaluation(settings);
    best.evaluated(
        new Evaluated(1, 0, 1, 1, Map.of("easy", 1.0, "hard", 4.0), Map.of(), List.of(), 0));
    best.evaluated(
        new Evaluated(2, 0, 2, 1, Map.of("easy", 1.0, "hard", 3.0), Map.of(), List.of(), 0));
    assertThat(best.endsRun()).isFalse();
    assertThat(best.resultingStep()).isEmpty();
    assertThat(best.summary().get(0).metric()).isEqualTo("eval_hard_loss");
    assertThat(best.summary().get(0).step()).isEqualTo(2);
    assertThat(settings.isGreaterBetter()).isFalse();
    BestModel slash = config("metric_for_best_model", "loss/hard").best();
    assertThat(slash.isGreaterBetter()).isFalse();
    assertThat(slash.of(1, Map.of("hard", 2.0), Map.of())).isEqualTo(2);
    assertThatThrownBy(() -> slash.of(1, Map.of("easy", 2.0), Map.of()))
        .hasMessage(
            "metric_for_best_model is loss/hard, but an evaluation gives eval_loss, eval_loss/easy");
  }
}
