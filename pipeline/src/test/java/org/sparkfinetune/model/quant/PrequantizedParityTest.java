package org.sparkfinetune.model.quant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.quant.Absmax.PlainAbsmax;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.SafetensorsWriter;
import org.sparkfinetune.model.safetensors.TensorSpec;
import org.sparkfinetune.store.Store;

/** Against weights that bitsandbytes wrote: {@code golden/prequantized-*.safetensors}. */
final class PrequantizedParityTest {
  private static final String WEIGHT = "model.q_proj.weight";
  private static final Store STORE = new Store(new Configuration(false));

  @TempDir java.nio.file.Path folder;

  private static Checkpoint golden(String kind) throws Exception {
    String file = "/golden/prequantized-" + kind + ".safetensors";
    return Checkpoint.openFile(
        new Path(PrequantizedParityTest.class.getResource(file).toURI()), STORE);
  }

  private static byte[] bytes(Checkpoint checkpoint, String name) {
    byte[] bytes = new byte[(int) checkpoint.info(name).byteCount()];
    checkpoint.read(name, 0, ByteBuffer.wrap(bytes));
    return bytes;
  }

  @ParameterizedTest
  @ValueSource(strings = {"uint8", "bfloat16", "single"})
  void decodes_to_the_values_that_bitsandbytes_gives(String kind) throws Exception {
    try (Checkpoint checkpoint = golden(kind)) {
      assertThat(PrequantizedWeight.in(checkpoint, WEIGHT)).isTrue();
      PrequantizedWeight weight = PrequantizedWeight.read(checkpoint, WEIGHT);
      ByteBuffer packed = checkpoint.map(WEIGHT).orElseThrow();
      ByteBuffer decoded = ByteBuffer.allocate(160 * 192 * 2);
      if (weight.absmax() instanceof NestedAbsmax nested) {
        Nf4Codec.fastest().decodeToBf16(packed, 0, nested, 0, 160 * 192, decoded, 0);
      } else if (weight.absmax() instanceof PlainAbsmax plain) {
        Nf4Codec.fastest().decodeToBf16(packed, 0, plain.values(), 0, 160 * 192, decoded, 0);
      }
      assertThat(decoded.array()).isEqualTo(bytes(checkpoint, "dequantized"));
    }
  }

  @ParameterizedTest
  @CsvSource({"uint8,UINT8", "bfloat16,BFLOAT16", "single,UINT8"})
  void writes_the_tensors_that_bitsandbytes_writes(String kind, PrequantizedWeight.Storage storage)
      throws Exception {
    Path file = new Path(folder.resolve("model.safetensors").toUri());
    try (Checkpoint theirs = golden(kind)) {
      PrequantizedWeight weight = PrequantizedWeight.read(theirs, WEIGHT);
      List<TensorSpec> specs = new ArrayList<>(List.of(weight.packedSpec(storage)));
      weight.parts().forEach(part -> specs.add(part.spec()));
      try (SafetensorsWriter writer = SafetensorsWriter.create(file, STORE, Map.of(), specs)) {
        writer.write(ByteBuffer.wrap(bytes(theirs, WEIGHT)));
        weight.parts().forEach(part -> writer.write(part.bytes()));
        writer.commit();
      }
      try (Checkpoint ours = Checkpoint.openFile(file, STORE)) {
        for (String name : ours.names()) {
          assertThat(ours.info(name).dtype()).isEqualTo(theirs.info(name).dtype());
          assertThat(ours.info(name).shape()).isEqualTo(theirs.info(name).shape());
          assertThat(bytes(ours, name)).as(name).isEqualTo(bytes(theirs, name));
        }
        assertThat(ours.names()).hasSize(theirs.names().size() - 1);
        assertThat(PrequantizedWeight.read(ours, WEIGHT)).isEqualTo(weight);
      }
    }
  }

  @Test
  void an_odd_number_of_packed_bytes_has_no_bf16_storage() {
    PrequantizedWeight weight =
        new PrequantizedWeight("w", DType.F32, new long[] {3, 2}, new PlainAbsmax(new float[1]));
    assertThatThrownBy(() -> weight.packedSpec(PrequantizedWeight.Storage.BFLOAT16))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("3 packed bytes");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {"quant_type": "fp4", "blocksize": 64, "dtype": "bfloat16", "shape": [2]} | quant_type is "fp4", supported is "nf4"
          {"quant_type": "nf4", "blocksize": 128, "dtype": "bfloat16", "shape": [2]} | blocksize is 128, supported is 64
          {"quant_type": "nf4", "blocksize": 64, "dtype": "int8", "shape": [2]} | dtype is "int8", supported is bfloat16, float16 or float32
          {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [-2]} | shape is [-2]
          {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [4294967296,4294967296]} | shape is [4294967296,4294967296]
          {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16"} | shape is missing
          {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [2], "nested_offset": 1, "nested_blocksize": 64} | nested_blocksize is 64, supported is 256
          {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [2], "nested_offset": 1e99, "nested_blocksize": 256, "nested_dtype": "float32"} | nested_offset is 1.0E99
          {"quant_type": "nf4", "quant_type": "nf4"} | is not JSON
          {"quant_type": "nf4", "secret": 1} | secret is 1
          [] | is no JSON object
          """)
  void another_quantisation_is_refused_with_the_key(String json, String message) {
    assertThatThrownBy(() -> QuantState.parse("w", json.getBytes(StandardCharsets.UTF_8)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(message);
  }

  @Test
  void mutated_states_are_read_or_refused() {
    byte[] valid =
        "{\"quant_type\": \"nf4\", \"blocksize\": 64, \"dtype\": \"bfloat16\", \"shape\": [96, 64], \"nested_blocksize\": 256, \"nested_dtype\": \"float32\", \"nested_offset\": 2.6}"
            .getBytes(StandardCharsets.UTF_8);
    Random random = new Random(7);
    int refused = 0;
    for (int i = 0; i < Integer.getInteger("fuzz.inputs", 2_000); i++) {
      byte[] mutated = valid.clone();
      for (int n = random.nextInt(4); n >= 0; n--) {
        mutated[random.nextInt(mutated.length)] = (byte) random.nextInt(256);
      }
      try {
        QuantState.parse("w", mutated);
      } catch (UserError e) {
        refused++;
      }
    }
    assertThat(refused).isPositive();
  }

  @Test
  void tensors_that_do_not_fit_are_refused_with_name_found_and_expected() throws Exception {
    Path file = new Path(folder.resolve("model.safetensors").toUri());
    try (Checkpoint theirs = golden("uint8")) {
      PrequantizedWeight weight = PrequantizedWeight.read(theirs, WEIGHT);
      List<TensorSpec> specs = new ArrayList<>(List.of(new TensorSpec(WEIGHT, DType.U8, 100)));
      weight.parts().forEach(part -> specs.add(part.spec()));
      try (SafetensorsWriter writer = SafetensorsWriter.create(file, STORE, Map.of(), specs)) {
        writer.write(ByteBuffer.allocate(100));
        weight.parts().forEach(part -> writer.write(part.bytes()));
        writer.commit();
      }
    }
    try (Checkpoint broken = Checkpoint.openFile(file, STORE)) {
      assertThatThrownBy(() -> PrequantizedWeight.read(broken, WEIGHT))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("model.q_proj.weight is U8 [100], expected 15360 packed bytes");
    }
  }
}
