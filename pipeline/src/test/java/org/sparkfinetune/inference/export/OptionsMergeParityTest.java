package org.sparkfinetune.inference.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.config.ModelChoice.MergeBase;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.export.Merge.MergeRequest;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.SafetensorsWriter;
import org.sparkfinetune.model.safetensors.TensorInfo;
import org.sparkfinetune.model.safetensors.TensorSpec;
import org.sparkfinetune.store.Store;

/** What PEFT merges of adapters with options, of half an adapter and of one with too much. */
final class OptionsMergeParityTest {
  private static final Store STORE = new Store(new Configuration(false));
  private static final Path VARIANTS =
      Path.of("src/test/resources/golden/variants").toAbsolutePath();
  private static final Path START = VARIANTS.resolve("biased-lora.start");

  @TempDir Path folder;

  static org.apache.hadoop.fs.Path path(Path path) {
    return new org.apache.hadoop.fs.Path(path.toUri());
  }

  private Path merge(String model, Path adapter) {
    Path output = folder.resolve("merged");
    new Merge(STORE)
        .run(
            new MergeRequest(
                path(VARIANTS.resolve(model)),
                Optional.of(path(adapter)),
                path(output),
                MergeBase.SIXTEEN_BIT,
                Optional.of(DType.F32),
                1L << 30));
    return output;
  }

  static float[] floats(Checkpoint file, String name) {
    TensorInfo info = file.info(name);
    ByteBuffer bytes = ByteBuffer.allocate((int) info.byteCount());
    file.read(name, 0, bytes);
    float[] values = new float[(int) info.elements()];
    Floats.toFloats(info.dtype(), bytes.flip(), values, 0, values.length);
    return values;
  }

  /** Every seventh element of what PEFT changed, and nothing else changed. */
  private void compare(String model, Path merged, String golden) {
    try (Checkpoint ours = Checkpoint.open(path(merged), STORE);
        Checkpoint base = Checkpoint.open(path(VARIANTS.resolve(model)), STORE);
        Checkpoint theirs =
            Checkpoint.openFile(
                path(VARIANTS.resolve("options/" + golden + ".merged.safetensors")), STORE)) {
      TreeSet<String> changed = new TreeSet<>();
      for (String name : ours.names()) {
        if (!base.names().contains(name)
            || !java.util.Arrays.equals(floats(ours, name), floats(base, name))) {
          changed.add(name);
        }
      }
      changed.remove("lm_head.weight");
      TreeSet<String> expected = new TreeSet<>(theirs.names());
      expected.remove("lm_head.weight");
      assertThat(changed).isEqualTo(expected).isNotEmpty();
      for (String name : theirs.names()) {
        float[] seventh = floats(theirs, name);
        float[] whole = floats(ours, ours.names().contains(name) ? name : embedding());
        for (int i = 0; i < seventh.length; i++) {
          assertThat(Math.abs(whole[7 * i] - seventh[i])).as(name).isLessThan(1e-6f);
        }
      }
    }
  }

  private static String embedding() {
    return "model.embed_tokens.weight";
  }

  @ParameterizedTest
  @CsvSource({
    "biased, patterns",
    "biased, rslora-patterns",
    "biased, layers",
    "biased, layers-of-any",
    "biased, expression",
    "biased, bias",
    "biased, dora",
    "biased, tokens",
    "tied, tokens-tied",
    "biased, biased-embeddings",
    "tied, tied-embeddings"
  })
  void options_are_merged_as_peft_does(String model, String name) {
    compare(model, merge(model, VARIANTS.resolve("options/" + name + ".start")), name);
  }

  @Test
  void biases_of_b_need_a_bias_to_be_merged_into_as_in_peft() {
    Path adapter = VARIANTS.resolve("options/bias-alone.start");
    assertThatThrownBy(() -> merge("tied", adapter))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("layers.0.mlp.down_proj of the model has no bias")
        .hasMessageContaining("generate and evaluate take both");
    MergeRequest request =
        new MergeRequest(
            path(VARIANTS.resolve("tied")),
            Optional.of(path(adapter)),
            path(folder.resolve("model.gguf")),
            MergeBase.SIXTEEN_BIT,
            Optional.empty(),
            1);
    assertThatThrownBy(() -> new GgufExport(STORE).run(request, GgufExport.Type.F16))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("layers.0.mlp.down_proj of the model has no bias");
  }

  /** The adapter that the other tests begin with, with some of its tensors and another key. */
  private Path changed(Predicate<String> kept, Map<String, Object> keys) throws IOException {
    Path changed = Files.createDirectories(folder.resolve("changed"));
    ObjectMapper json = new ObjectMapper();
    ObjectNode config = (ObjectNode) json.readTree(START.resolve("adapter_config.json").toFile());
    keys.forEach((key, value) -> config.set(key, json.valueToTree(value)));
    json.writeValue(changed.resolve("adapter_config.json").toFile(), config);
    try (Checkpoint all =
        Checkpoint.openFile(path(START.resolve("adapter_model.safetensors")), STORE)) {
      List<TensorSpec> specs = new ArrayList<>();
      all.names().stream()
          .filter(kept)
          .forEach(n -> specs.add(new TensorSpec(n, all.info(n).dtype(), all.info(n).shape())));
      try (SafetensorsWriter writer =
          SafetensorsWriter.create(
              path(changed.resolve("adapter_model.safetensors")), STORE, Map.of(), specs)) {
        for (TensorSpec spec : specs) {
          ByteBuffer bytes = ByteBuffer.allocate((int) spec.byteCount());
          all.read(spec.name(), 0, bytes);
          writer.write(bytes.flip());
        }
        writer.commit();
      }
    }
    return changed;
  }

  @Test
  void half_an_adapter_is_merged_as_far_as_it_goes_with_a_warning() throws IOException {
    Path half = changed(name -> name.contains(".layers.0."), Map.of());
    compare("biased", merge("biased", half), "half");
  }

  @Test
  void tensors_that_the_configuration_does_not_name_are_not_merged() throws IOException {
    Path beyond =
        changed(name -> true, Map.of("target_modules", List.of("q_proj", "o_proj", "query")));
    compare("biased", merge("biased", beyond), "beyond");
  }

  @Test
  void an_adapter_without_tensors_or_with_none_that_is_named_is_refused() throws IOException {
    Path none = changed(name -> false, Map.of());
    assertThatThrownBy(() -> merge("biased", none))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("has no LoRA weights for any of the 14 linears");
    Path other = changed(n -> n.contains("q_proj"), Map.of("target_modules", List.of("v_proj")));
    assertThatThrownBy(() -> merge("biased", other))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("has no LoRA weights for any of the 2 linears");
    Path unknown = changed(name -> true, Map.of("target_modules", List.of("query")));
    assertThatThrownBy(() -> merge("biased", unknown))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("No linear of the model carries LoRA: target_modules is query");
  }
}
