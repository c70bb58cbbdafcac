package org.sparkfinetune.inference.export;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.config.ModelChoice.MergeBase;
import org.sparkfinetune.inference.export.Merge.MergeRequest;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.store.Store;

/** Read back by a small reader written from the specification. */
final class GgufExportTest {
  private static final Store STORE = new Store(new Configuration(false));
  private static final Path SAMPLE = Path.of("../jobs/sample/model").toAbsolutePath().normalize();

  @TempDir Path folder;

  private record Info(long[] shape, int type, long offset) {}

  private final Map<String, Object> metadata = new LinkedHashMap<>();
  private final Map<String, Info> tensors = new LinkedHashMap<>();
  private ByteBuffer file = ByteBuffer.allocate(0);
  private int data;

  private void export(GgufExport.Type type) throws java.io.IOException {
    export(SAMPLE, type);
  }

  private void export(Path model, GgufExport.Type type) throws java.io.IOException {
    Path target = folder.resolve("model.gguf");
    new GgufExport(STORE)
        .run(
            new MergeRequest(
                new org.apache.hadoop.fs.Path(model.toUri()),
                Optional.empty(),
                new org.apache.hadoop.fs.Path(target.toUri()),
                MergeBase.SIXTEEN_BIT,
                Optional.empty(),
                1),
            type);
    assertThat(folder.toFile().list()).contains("model.gguf").hasSizeBetween(1, 2);
    file = ByteBuffer.wrap(Files.readAllBytes(target)).order(ByteOrder.LITTLE_ENDIAN);
    byte[] magic = new byte[4];
    file.get(magic);
    assertThat(new String(magic, StandardCharsets.US_ASCII)).isEqualTo("GGUF");
    assertThat(file.getInt()).isEqualTo(3);
    long count = file.getLong();
    long pairs = file.getLong();
    for (int i = 0; i < pairs; i++) {
      metadata.put(string(), value(file.getInt()));
    }
    for (int i = 0; i < count; i++) {
      String name = string();
      long[] shape = new long[file.getInt()];
      for (int d = 0; d < shape.length; d++) {
        shape[d] = file.getLong();
      }
      tensors.put(name, new Info(shape, file.getInt(), file.getLong()));
    }
    data = (file.position() + 31) / 32 * 32;
  }

  private String string() {
    byte[] utf8 = new byte[(int) file.getLong()];
    file.get(utf8);
    return new String(utf8, StandardCharsets.UTF_8);
  }

  private Object value(int type) {
    return switch (type) {
      case 4, 5 -> file.getInt();
      case 6 -> file.getFloat();
      case 7 -> file.get() == 1;
      case 8 -> string();
      case 9 -> {
        int element = file.getInt();
        int n = (int) file.getLong();
        Object[] array = new Object[n];
        for (int i = 0; i < n; i++) {
          array[i] = value(element);
        }
        yield array;
      }
      default -> throw new AssertionError("type " + type);
    };
  }

  private static float[] base(String name) {
    try (Checkpoint checkpoint =
        Checkpoint.open(new org.apache.hadoop.fs.Path(SAMPLE.toUri()), STORE)) {
      ByteBuffer bytes = ByteBuffer.allocate((int) checkpoint.info(name).byteCount());
      checkpoint.read(name, 0, bytes);
      float[] values = new float[(int) checkpoint.info(name).elements()];
      Floats.toFloats(checkpoint.info(name).dtype(), bytes.flip(), values, 0, values.length);
      return values;
    }
  }

  @Test
  void a_half_precision_file_holds_shape_tokenizer_and_weights() throws java.io.IOException {
    export(GgufExport.Type.F16);

    assertThat(metadata)
        .containsEntry("general.architecture", "llama")
        .containsEntry("general.file_type", 1)
        .containsEntry("tokenizer.ggml.model", "gpt2");
    int vocabulary = (Integer) metadata.get("llama.vocab_size");
    assertThat((Object[]) metadata.get("tokenizer.ggml.tokens")).hasSize(vocabulary);
    assertThat((Object[]) metadata.get("tokenizer.ggml.token_type")).hasSize(vocabulary);
    assertThat((Object[]) metadata.get("tokenizer.ggml.merges")).isNotEmpty();
    int hidden = (Integer) metadata.get("llama.embedding_length");
    assertThat(tensors.get("token_embd.weight").shape()).containsExactly(hidden, vocabulary);
    assertThat(tensors.get("output_norm.weight").type()).isZero();
    float[] down = base("model.layers.0.mlp.down_proj.weight");
    int at = data + (int) tensors.get("blk.0.ffn_down.weight").offset();
    for (int i = 0; i < 1000; i++) {
      assertThat(Floats.f16ToFloat(file.getShort(at + 2 * i)))
          .isCloseTo(down[i], org.assertj.core.api.Assertions.within(1e-4f));
    }
  }

  private Path sample(String file, UnaryOperator<ObjectNode> change) throws java.io.IOException {
    Path model = Files.createDirectories(folder.resolve("model"));
    try (var files = Files.list(SAMPLE)) {
      for (Path each : files.toList()) {
        Files.copy(each, model.resolve(each.getFileName()), StandardCopyOption.REPLACE_EXISTING);
      }
    }
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode json = (ObjectNode) mapper.readTree(model.resolve(file).toFile());
    mapper.writeValue(model.resolve(file).toFile(), change.apply(json));
    return model;
  }

  @Test
  void of_named_templates_the_default_is_the_files_template() throws java.io.IOException {
    Path model =
        sample(
            "tokenizer_config.json",
            json -> {
              json.remove("chat_template");
              var templates = json.putArray("chat_template");
              templates.addObject().put("name", "tool use").put("template", "{{ tools }}");
              templates.addObject().put("name", "default").put("template", "{{ messages }}");
              return json;
            });
    Files.deleteIfExists(model.resolve("chat_template.jinja"));
    export(model, GgufExport.Type.F16);
    assertThat(metadata)
        .containsEntry("tokenizer.chat_template", "{{ messages }}")
        .containsEntry("tokenizer.chat_template.tool_use", "{{ tools }}");
    assertThat((Object[]) metadata.get("tokenizer.chat_templates")).containsExactly("tool_use");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '#',
      textBlock =
          """
          {"type":"Prepend","prepend":"▁"}                 # null                                              # true
          {"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace"}]} # null       # true
          {"type":"Replace","pattern":{"String":" "},"content":"▁"} # null                                     # false
          null # {"type":"Metaspace","replacement":"▁","prepend_scheme":"first"}                               # true
          null # {"type":"Metaspace","replacement":"▁","prepend_scheme":"never"}                               # false
          null # {"type":"Sequence","pretokenizers":[{"type":"Metaspace","add_prefix_space":false}]}           # false
          """)
  void the_space_before_a_text_is_there_only_where_the_tokenizer_puts_it(
      String normalizer, String preTokenizer, boolean prefix) throws java.io.IOException {
    ObjectMapper mapper = new ObjectMapper();
    JsonNode first = mapper.readTree(normalizer);
    JsonNode second = mapper.readTree(preTokenizer);
    Path model =
        sample(
            "tokenizer.json",
            json -> {
              ((ObjectNode) json.path("model")).put("byte_fallback", true);
              json.set("normalizer", first);
              json.set("pre_tokenizer", second);
              return json;
            });
    export(model, GgufExport.Type.F16);
    assertThat(metadata)
        .containsEntry("tokenizer.ggml.model", "llama")
        .containsEntry("tokenizer.ggml.add_space_prefix", prefix);
  }

  @Test
  void rows_of_q_are_interleaved_as_llama_cpp_rotates_them() throws java.io.IOException {
    export(GgufExport.Type.F16);

    int hidden = (Integer) metadata.get("llama.embedding_length");
    int half = (Integer) metadata.get("llama.rope.dimension_count") / 2;
    float[] q = base("model.layers.0.self_attn.q_proj.weight");
    int at = data + (int) tensors.get("blk.0.attn_q.weight").offset();
    for (int row : new int[] {0, 1, 2, 3, 2 * half, 2 * half + 1}) {
      int head = row / (2 * half);
      int from = head * 2 * half + row % (2 * half) / 2 + row % 2 * half;
      assertThat(Floats.f16ToFloat(file.getShort(at + 2 * row * hidden)))
          .isCloseTo(q[from * hidden], org.assertj.core.api.Assertions.within(1e-4f));
    }
  }

  @Test
  void eight_bits_are_off_by_half_a_step_at_most() throws java.io.IOException {
    export(GgufExport.Type.Q8_0);

    Info info = tensors.get("blk.1.ffn_up.weight");
    assertThat(info.type()).isEqualTo(8);
    float[] up = base("model.layers.1.mlp.up_proj.weight");
    int at = data + (int) info.offset();
    for (int block = 0; block < up.length / 32; block++) {
      float scale = Floats.f16ToFloat(file.getShort(at + 34 * block));
      for (int i = 0; i < 32; i++) {
        float value = scale * file.get(at + 34 * block + 2 + i);
        assertThat(Math.abs(value - up[32 * block + i])).isLessThanOrEqualTo(0.6f * scale);
      }
    }
    assertThat(file.limit() % 32).isZero();
  }
}
