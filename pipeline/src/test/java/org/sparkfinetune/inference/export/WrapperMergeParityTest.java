package org.sparkfinetune.inference.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.sparkfinetune.inference.export.OptionsMergeParityTest.floats;
import static org.sparkfinetune.inference.export.OptionsMergeParityTest.path;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.config.ModelChoice.MergeBase;
import org.sparkfinetune.inference.export.Merge.MergeRequest;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.store.Store;

/** What PEFT merges into models that read images too, see {@code families.py}. */
final class WrapperMergeParityTest {
  private static final Store STORE = new Store(new Configuration(false));
  private static final Path FAMILIES =
      Path.of("src/test/resources/golden/variants/families").toAbsolutePath();

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"gemma3-images", "mistral3-images", "qwen3vl-images"})
  void the_merged_model_has_the_wrappers_names_and_its_other_tensors(String name)
      throws IOException {
    Path output = folder.resolve("merged");
    new Merge(STORE)
        .run(
            new MergeRequest(
                path(FAMILIES.resolve(name)),
                Optional.of(path(FAMILIES.resolve(name + "-lora.start"))),
                path(output),
                MergeBase.SIXTEEN_BIT,
                Optional.of(DType.F32),
                1L << 30));
    try (Checkpoint ours = Checkpoint.open(path(output), STORE);
        Checkpoint pefts =
            Checkpoint.openFile(path(FAMILIES.resolve(name + "-merged.safetensors")), STORE)) {
      assertThat(ours.names()).containsExactlyInAnyOrderElementsOf(pefts.names());
      for (String tensor : pefts.names()) {
        float[] seventh = floats(pefts, tensor);
        float[] whole = floats(ours, tensor);
        for (int i = 0; i < seventh.length; i++) {
          assertThat(Math.abs(whole[7 * i] - seventh[i])).as(tensor).isLessThan(1e-6f);
        }
      }
    }
    JsonNode config = new ObjectMapper().readTree(output.resolve("config.json").toFile());
    JsonNode base =
        new ObjectMapper().readTree(FAMILIES.resolve(name).resolve("config.json").toFile());
    assertThat(config.path("text_config")).isEqualTo(base.path("text_config"));
    assertThat(config.path("model_type")).isEqualTo(base.path("model_type"));
    assertThat(config.path("dtype").asText()).isEqualTo("float32");
  }
}
