package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;
import org.sparkfinetune.model.safetensors.Checkpoint;

/** Logits, loss and gradients of two rows beside transformers' (see the golden folder's README). */
class ForwardParityTest {
  @TempDir Path scratch;

  @ParameterizedTest
  @CsvSource({"0, 1", "0, 2", "2, 1", "2, 2"})
  void float32_is_within_1e_5_of_the_largest_entry(int row, int ranks) throws Exception {
    compare("float32", Precision.FLOAT32, row, ranks, 1e-5);
  }

  @ParameterizedTest
  @CsvSource({"0, 1", "2, 2"})
  void bfloat16_is_within_3e_2_of_the_largest_entry(int row, int ranks) throws Exception {
    compare("bfloat16", Precision.BFLOAT16, row, ranks, 3e-2);
    compare("bfloat16", Precision.BFLOAT16_STORED, row, ranks, 3e-2);
  }

  private void compare(String name, Precision precision, int row, int ranks, double relative)
      throws Exception {
    JsonNode golden = GoldenRun.json("forward-" + name + ".json").get(row / 2);
    assertThat(golden.path("row").asInt()).isEqualTo(row);
    Map<String, float[]> found = new ConcurrentHashMap<>();
    List<TrainingStep.Outcome> outcomes =
        new GoldenRun(GoldenRun.What.FULL, precision, 0, scratch)
            .onRanks(ranks, model -> step(model, row, found));
    double loss = golden.path("loss").asDouble();
    for (TrainingStep.Outcome outcome : outcomes) {
      assertThat(outcome.loss()).isCloseTo(loss, within(relative * loss));
      assertThat(outcome.trainedTokens()).isEqualTo(golden.path("trained_tokens").asLong());
    }
    try (Checkpoint file = GoldenRun.open("forward-" + name + ".safetensors")) {
      List<String> names =
          file.names().stream().filter(tensor -> tensor.startsWith("row" + row + ".")).toList();
      assertThat(names).hasSize(15);
      for (String tensor : names) {
        float[] expected = Variant.floats(file, tensor);
        float[] ours = found.get(tensor.replaceFirst("row\\d\\.(grad\\.)?", ""));
        assertThat(largestDifference(expected, ours)).as(tensor).isLessThanOrEqualTo(relative);
      }
    }
  }

  /** Rank 0 has the row, others nothing but their share of weights and gradients. */
  private static TrainingStep.Outcome step(RankModel model, int row, Map<String, float[]> found) {
    boolean mine = model.exchange().rank() == 0;
    List<StepRow> own = mine ? List.of(new StepRow(GoldenRun.rows().get(row), 0)) : List.of();
    List<TokenBatch> batches = TokenBatch.of(own, 100, TokenBatch.Attention.WITHIN_SAMPLES);
    TrainingStep.Outcome outcome = GoldenRun.trainingStep(model).run(1, batches);
    for (TokenBatch batch : batches) {
      found.put("logits", ModelNumbers.logits(model, batch));
    }
    ModelNumbers.gradients(model, found);
    return outcome;
  }

  private static double largestDifference(float[] expected, float[] ours) {
    assertThat(ours).hasSameSizeAs(expected);
    double largest = 0;
    double apart = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      apart = Math.max(apart, Math.abs(expected[i] - ours[i]));
    }
    return apart / largest;
  }
}
