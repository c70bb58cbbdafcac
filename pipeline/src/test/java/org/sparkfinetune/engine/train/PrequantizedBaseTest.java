package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.bench.ModelMaker;
import org.sparkfinetune.bench.ModelShape;

/** A base model whose linears are stored in NF4. */
class PrequantizedBaseTest {
  private static final ModelShape SHAPE =
      ModelShape.named(Variant.VARIANTS.resolve("biased/config.json").toString());

  @TempDir Path scratch;

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void it_trains_bit_for_bit_like_one_that_is_quantised_on_the_fly(int ranks) throws Exception {
    assertThat(steps(ModelMaker.Storage.NF4, ranks, "qlora"))
        .isEqualTo(steps(ModelMaker.Storage.BF16, ranks, "qlora"));
  }

  @Test
  void it_is_not_the_model_it_was_made_from() throws Exception {
    assertThat(steps(ModelMaker.Storage.NF4, 1, "lora"))
        .isNotEqualTo(steps(ModelMaker.Storage.BF16, 1, "lora"));
  }

  private List<List<Double>> steps(ModelMaker.Storage storage, int ranks, String method)
      throws Exception {
    Path model = scratch.resolve(storage + "-" + ranks + method);
    ModelMaker.write(SHAPE, 5, model, storage);
    return new Variant("biased-lora", scratch)
            .model("biased")
            .with("model_id", model.toUri())
            .with("method", method)
            .with("gradient_accumulation_steps", 2)
            .with("max_steps", 3)
            .adapter(Variant.VARIANTS.resolve("biased-lora.start"))
            .run(ranks)
            .stream()
            .map(step -> List.of(step.loss(), step.gradNorm()))
            .toList();
  }
}
