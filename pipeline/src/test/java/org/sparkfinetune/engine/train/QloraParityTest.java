package org.sparkfinetune.engine.train;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** LoRA over NF4 beside PEFT over the same weights, decoded as CUDA decodes them. */
class QloraParityTest {
  @TempDir Path scratch;

  @ParameterizedTest
  @CsvSource({"1", "2"})
  void losses_norms_and_adapter(int ranks) throws Exception {
    Variant variant = qlora("qlora-float32");
    variant.compareSteps(ranks, 1e-4, 1e-3);
    variant.compareWeights(1e-3);
  }

  @Test
  void losses_and_norms_in_bfloat16() throws Exception {
    qlora("qlora-bfloat16").with("bf16", true).compareSteps(2, 5e-3, 5e-2);
  }

  private Variant qlora(String name) throws Exception {
    return new Variant(name, scratch)
        .model("model")
        .with("method", "qlora")
        .adapter(Variant.startOfTrajectories(scratch));
  }

  @ParameterizedTest
  @CsvSource({"biased-nf4, 1", "biased-nf4, 2", "tied-nf4, 2"})
  void a_checkpoint_that_bitsandbytes_quantised_is_taken_as_it_is(String model, int ranks)
      throws Exception {
    Variant variant =
        new Variant(model, scratch)
            .model(model)
            .with("method", "qlora")
            .adapter(Variant.VARIANTS.resolve(model.replace("nf4", "lora") + ".start"));
    variant.compareSteps(ranks, 1e-4, 1e-3);
    variant.compareWeights(1e-3);
  }

  @Test
  void such_a_checkpoint_decoded_serves_plain_lora_too() throws Exception {
    new Variant("biased-nf4", scratch)
        .model("biased-nf4")
        .with("method", "lora")
        .adapter(Variant.VARIANTS.resolve("biased-lora.start"))
        .compareSteps(1, 5e-3, 5e-2);
  }
}
