package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.model.safetensors.Checkpoint;

/** Twenty optimizer steps beside those of torch and PEFT (see the golden folder's README). */
class TrajectoryParityTest {
  private static final int STEPS = 20;

  /** Where the processor has no bfloat16, a step that computes in it takes ten times as long. */
  private static final int EMULATED_STEPS = 6;

  @TempDir Path scratch;

  @ParameterizedTest
  @CsvSource({
    "LORA, lora-float32, 1",
    "LORA, lora-float32, 2",
    "LORA, lora-float32, 3",
    "QLORA_AVX512, qlora-float32-avx512, 1",
    "QLORA_AVX512, qlora-float32-avx512, 2",
    "LORA, lora-float32-cosine, 1",
    "LORA, lora-float32-cosine, 2",
    "LORA, lora-float32-linear, 1",
    "LORA, lora-float32-linear, 2",
    "FULL, full-float32, 1",
    "FULL, full-float32, 2",
  })
  void float32_losses_norms_and_weights_are_those_of_the_reference(
      GoldenRun.What what, String name, int ranks) throws Exception {
    JsonNode golden = GoldenRun.json("trajectory-" + name + ".json");
    GoldenRun.Result result = run(what, Precision.FLOAT32, golden, ranks);
    compare(golden, result, 1e-4, 1e-3);
    compareWeights(name, result.weights());
  }

  @ParameterizedTest
  @CsvSource({
    "LORA, lora-bfloat16, 1",
    "LORA, lora-bfloat16, 2",
    "QLORA_AVX512, qlora-bfloat16, 1",
    "QLORA_AVX512, qlora-bfloat16, 2",
  })
  void bfloat16_losses_are_those_of_the_reference(GoldenRun.What what, String name, int ranks)
      throws Exception {
    JsonNode golden = GoldenRun.json("trajectory-" + name + ".json");
    GoldenRun.Result computed = run(what, Precision.BFLOAT16, golden, ranks, EMULATED_STEPS);
    compare(golden, computed, 5e-3, 5e-2);
    compare(golden, run(what, Precision.BFLOAT16_STORED, golden, ranks), 5e-3, 5e-2);
  }

  @ParameterizedTest
  @CsvSource({"1", "2"})
  void bitsandbytes_own_layer_gives_the_same_losses(int ranks) throws Exception {
    JsonNode golden = GoldenRun.json("trajectory-qlora-float32-bnb.json");
    compare(golden, run(GoldenRun.What.QLORA_AVX512, Precision.FLOAT32, golden, ranks), 5e-3, 5e-2);
  }

  private GoldenRun.Result run(GoldenRun.What what, Precision precision, JsonNode golden, int ranks)
      throws Exception {
    return run(what, precision, golden, ranks, STEPS);
  }

  private GoldenRun.Result run(
      GoldenRun.What what, Precision precision, JsonNode golden, int ranks, int steps)
      throws Exception {
    return new GoldenRun(what, precision, 0, scratch)
        .run(
            ranks,
            steps,
            step -> golden.path("steps").get((int) step - 1).path("learning_rate").asDouble(),
            golden.path("max_grad_norm").asDouble(),
            golden.path("weight_decay").asDouble());
  }

  private static void compare(
      JsonNode golden, GoldenRun.Result result, double lossWithin, double normWithin) {
    assertThat(result.steps()).hasSizeGreaterThanOrEqualTo(EMULATED_STEPS);
    for (int i = 0; i < result.steps().size(); i++) {
      JsonNode step = golden.path("steps").get(i);
      double loss = step.path("loss").asDouble();
      double norm = step.path("grad_norm").asDouble();
      assertThat(result.steps().get(i).loss())
          .as("loss of step %d", i + 1)
          .isCloseTo(loss, within(loss * lossWithin));
      assertThat(result.steps().get(i).gradNorm())
          .as("norm of step %d", i + 1)
          .isCloseTo(norm, within(norm * normWithin));
    }
  }

  private static void compareWeights(String name, Map<String, float[]> ours) throws IOException {
    String file =
        name.startsWith("full")
            ? "trajectory-" + name + ".final.safetensors"
            : "trajectory-" + name + ".adapter/adapter_model.safetensors";
    double within = name.startsWith("full") ? 1e-4 : 1e-3;
    try (Checkpoint golden = GoldenRun.open(file)) {
      CheckpointWeights weights = new CheckpointWeights(golden);
      assertThat(golden.names()).isNotEmpty();
      for (String tensor : golden.names()) {
        float[] mine = ours.get(tensor.replace("base_model.model.", ""));
        float[] expected = new float[mine.length];
        weights.read(tensor, 0, expected, expected.length);
        double largest = 0;
        double apart = 0;
        for (int i = 0; i < expected.length; i++) {
          largest = Math.max(largest, Math.abs(expected[i]));
          apart = Math.max(apart, Math.abs(expected[i] - mine[i]));
        }
        assertThat(apart).as(tensor).isLessThanOrEqualTo(within * largest);
      }
    }
  }
}
