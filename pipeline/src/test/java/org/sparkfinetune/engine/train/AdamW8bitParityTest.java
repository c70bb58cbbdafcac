package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.model.quant.DynamicMap;

/** {@code optim: adamw_8bit} beside bitsandbytes' (adamw-8bit.py). */
class AdamW8bitParityTest {
  private static final Path START = Variant.VARIANTS.resolve("adamw-8bit/lora.start");

  @TempDir Path scratch;

  private Variant variant(String name) throws IOException {
    Variant variant = new Variant("adamw-8bit/" + name, scratch).model("model");
    return name.equals("full")
        ? variant.with("method", "full")
        : variant.with("method", "lora").adapter(START);
  }

  /**
   * 20 steps in float32. AdamW of 32 bits is 10 times further away: were the moments not rounded,
   * or to other codes, this would fail.
   */
  @ParameterizedTest
  @CsvSource({"full, 1", "full, 2", "lora, 1", "lora, 2"})
  void twenty_steps_give_the_losses_norms_and_weights_of_bitsandbytes(String name, int ranks)
      throws IOException {
    Variant variant = variant(name).with("optim", "adamw_8bit");
    variant.compareSteps(ranks, 5e-6, 1e-4);
    variant.compareWeights(1e-3);
  }

  @Test
  void its_kernel_for_cpus_which_finds_codes_in_a_table_is_near() throws IOException {
    for (String name : List.of("full", "lora")) {
      JsonNode golden = GoldenRun.json("variants/adamw-8bit/" + name + ".json");
      for (int i = 0; i < 20; i++) {
        double loss = golden.path("steps").path(i).path("loss").asDouble();
        double kernel = golden.path("cpu_kernel").path(i).asDouble();
        assertThat(kernel).isCloseTo(loss, within(1e-4 * loss));
      }
    }
  }

  @Test
  void the_maps_are_those_of_bitsandbytes_to_the_bit() throws IOException {
    JsonNode maps = GoldenRun.json("variants/adamw-8bit/maps.json");
    assertThat(DynamicMap.values()).isEqualTo(floats(maps.path("signed"))).hasSize(256);
    assertThat(DynamicMap.unsigned()).isEqualTo(floats(maps.path("unsigned"))).hasSize(256);
  }

  private static float[] floats(JsonNode list) {
    float[] floats = new float[list.size()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) list.path(i).asDouble();
    }
    return floats;
  }
}
