package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What PEFT's options mean: beside PEFT itself, from its adapter folders to ours. */
class AdapterParityTest {
  @TempDir Path scratch;

  @ParameterizedTest
  @CsvSource({"1", "2"})
  void an_existing_adapter_is_trained_on(int ranks) throws Exception {
    Variant variant =
        new Variant("continued", scratch)
            .model("model")
            .with("method", "lora")
            .adapter(GoldenRun.GOLDEN.resolve("trajectory-lora-float32.adapter"));
    variant.compareSteps(ranks, 1e-4, 1e-3);
    variant.compareWeights(1e-3);
  }

  @ParameterizedTest
  @CsvSource({"1", "2"})
  void rank_stabilised_scaling_a_pattern_and_weight_decay(int ranks) throws Exception {
    Variant variant =
        new Variant("rslora-pattern", scratch)
            .model("model")
            .with("method", "lora")
            .adapter(Variant.VARIANTS.resolve("rslora-pattern.start"));
    variant.compareSteps(ranks, 1e-4, 1e-3);
    variant.compareWeights(1e-3);
  }

  @ParameterizedTest
  @CsvSource({
    "biased, biased-embed_tokens-lm_head, 1",
    "biased, biased-embed_tokens-lm_head, 2",
    "tied, tied-embed_tokens-lm_head, 1",
    "tied, tied-embed_tokens-lm_head, 2",
    "tied, tied-embed_tokens, 2",
    "tied, tied-lm_head, 1",
  })
  void modules_to_save_are_trained_whole_and_tied_ones_part(String model, String name, int ranks)
      throws Exception {
    Variant variant =
        new Variant(name, scratch)
            .model(model)
            .with("method", "lora")
            .adapter(Variant.VARIANTS.resolve(name + ".start"));
    variant.compareSteps(ranks, 1e-4, 1e-3);
    variant.compareWeights(1e-3);
  }

  @ParameterizedTest
  @CsvSource({"1", "2"})
  void attention_across_samples(int ranks) throws Exception {
    Variant variant =
        new Variant("cross-sample", scratch)
            .model("model")
            .with("method", "lora")
            .adapter(Variant.startOfTrajectories(scratch));
    variant.compareSteps(ranks, 1e-4, 1e-3);
    variant.compareWeights(1e-3);
  }

  @Test
  void the_configuration_that_is_saved_is_that_of_the_adapter_begun_with() throws Exception {
    Path start = Variant.VARIANTS.resolve("rslora-pattern.start");
    Variant variant =
        new Variant("rslora-pattern", scratch).model("model").with("method", "lora").adapter(start);
    variant.run(1);
    ObjectMapper json = new ObjectMapper();
    JsonNode theirs = json.readTree(start.resolve("adapter_config.json").toFile());
    JsonNode ours = json.readTree(variant.output().resolve("adapter/adapter_config.json").toFile());
    for (String key : new String[] {"r", "lora_alpha", "use_rslora", "target_modules"}) {
      assertThat(ours.path(key)).as(key).isEqualTo(theirs.path(key));
    }
  }
}
