package org.sparkfinetune.engine.train;

import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Models that differ in configuration: biases, tied embeddings, Qwen2's, other rotary scaling. */
class ConfigurationsParityTest {
  @TempDir Path scratch;

  @ParameterizedTest
  @CsvSource({"biased, 1", "biased, 2", "tied, 1", "tied, 2", "qwen2, 1", "qwen2, 2"})
  void full_fine_tuning_is_torchs(String model, int ranks) throws Exception {
    Variant variant = new Variant(model + "-full", scratch).model(model).with("method", "full");
    variant.compareSteps(ranks, 1e-4, 1e-3);
    variant.compareWeights(1e-4);
  }

  @ParameterizedTest
  @CsvSource({"biased, 1", "biased, 2", "tied, 1", "qwen2, 2"})
  void lora_is_pefts(String model, int ranks) throws Exception {
    String name = model + "-lora";
    Variant variant =
        new Variant(name, scratch)
            .model(model)
            .with("method", "lora")
            .adapter(Variant.VARIANTS.resolve(name + ".start"));
    variant.compareSteps(ranks, 1e-4, 1e-3);
    variant.compareWeights(1e-3);
  }
}
