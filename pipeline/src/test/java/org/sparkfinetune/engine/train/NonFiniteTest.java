package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.engine.fsdp.TrainableGroup;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;
import org.sparkfinetune.errors.RunFailure;

/** A loss or gradient that is not finite stops a run before its weights are touched. */
class NonFiniteTest {
  @TempDir Path scratch;

  @ParameterizedTest
  @CsvSource({
    "model.layers.0.self_attn.v_proj.weight, the first output that is not finite is that of layer"
        + " 0",
    "model.layers.1.mlp.down_proj.weight, the first output that is not finite is that of layer 1",
    "model.layers.2.input_layernorm.weight, the first output that is not finite is that of layer 2",
    "model.norm.weight, all layers are finite",
    "model.embed_tokens.weight, the embeddings of its tokens are not finite",
  })
  void the_message_names_step_rank_and_the_first_layer(String broken, String where) {
    RunFailure failure = failure(step -> {}, source -> nan(source, broken));
    assertThat(failure)
        .hasMessageStartingWith("Step 3, rank 0: the loss is NaN")
        .hasMessageContaining(where)
        .hasMessageContaining("Nothing was updated");
  }

  @Test
  void a_gradient_that_overflows_names_its_group() {
    RunFailure failure =
        failure(
            // Large logits make large gradients, which a huge B makes infinite.
            model -> {
              for (TrainableGroup group : model.weights().trainable()) {
                if (group.name().equals("layers.1")) {
                  // A is 0, so that the huge B does not show before backward.
                  var floats = ModelNumbers.state(group, "parameters").bytes().asFloatBuffer();
                  for (var entry : group.layout().entries()) {
                    boolean b = entry.tensor().name().endsWith("lora_B.weight");
                    for (int i = 0; i < entry.tensor().elements(); i++) {
                      floats.put((int) entry.at() + i, b ? 1e38f : 0);
                    }
                  }
                }
              }
            },
            source ->
                (name, first, out, count) -> {
                  source.read(name, first, out, count);
                  for (int i = 0; i < count && name.equals("model.norm.weight"); i++) {
                    out[i] *= 1e6f;
                  }
                });
    assertThat(failure)
        .hasMessageStartingWith("Step 3, rank 0: the gradient of layers.1 is not finite")
        .hasMessageContaining("Nothing was updated");
  }

  private RunFailure failure(
      Consumer<RankModel> before, java.util.function.Function<WeightSource, WeightSource> base) {
    GoldenRun run =
        new GoldenRun(GoldenRun.What.LORA, Precision.FLOAT32, 0, scratch).spoiledBy(base);
    return run.onRanks(
            1,
            model -> {
              before.accept(model);
              model.weights().trainable().forEach(group -> group.publish(2));
              List<float[]> weights = weights(model);
              List<TokenBatch> batches =
                  TokenBatch.of(
                      List.of(new StepRow(GoldenRun.rows().get(0), 0)),
                      100,
                      TokenBatch.Attention.WITHIN_SAMPLES);
              RunFailure failure =
                  catchThrowableOfType(
                      RunFailure.class, () -> GoldenRun.trainingStep(model).run(3, batches));
              assertThat(failure).isNotNull();
              assertThat(weights(model)).containsExactlyElementsOf(weights);
              return failure;
            })
        .get(0);
  }

  private static List<float[]> weights(RankModel model) {
    List<float[]> weights = new java.util.ArrayList<>();
    model
        .weights()
        .trainable()
        .forEach(group -> weights.add(ModelNumbers.state(group, "parameters").toFloats()));
    return weights;
  }

  private static WeightSource nan(WeightSource source, String broken) {
    return (name, first, out, count) -> {
      source.read(name, first, out, count);
      if (name.equals(broken)) {
        java.util.Arrays.fill(out, 0, count, Float.NaN);
      }
    };
  }
}
