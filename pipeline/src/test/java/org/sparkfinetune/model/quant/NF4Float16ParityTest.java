package org.sparkfinetune.model.quant;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.SafetensorsFile;
import org.sparkfinetune.model.safetensors.TensorInfo;
import org.sparkfinetune.store.Store;

/** A float16 weight, subnormal values to tens of thousands, as bitsandbytes quantises it. */
final class NF4Float16ParityTest {
  static Stream<Nf4Codec> codecs() {
    return Stream.of(new ScalarNf4(), new VectorNf4(256), new VectorNf4(512));
  }

  @ParameterizedTest
  @MethodSource("codecs")
  void codes_absmax_and_decoded_values_are_equal(Nf4Codec codec) throws Exception {
    Path path = new Path(getClass().getResource("/golden/nf4-float16.safetensors").toURI());
    try (SafetensorsFile file = SafetensorsFile.open(path, new Store(new Configuration(false)))) {
      float[] weights = floats(file, "input");
      float[] absmax = new float[Nf4Codec.blocks(weights.length)];
      ByteBuffer packed = ByteBuffer.allocate(weights.length / 2);
      codec.absmax(weights, 0, weights.length, absmax, 0);
      codec.encode(weights, 0, weights.length, absmax, 0, packed);
      assertThat(absmax).isEqualTo(floats(file, "absmax"));
      assertThat(packed.array()).isEqualTo(bytes(file, "packed").array());

      ByteBuffer decoded =
          ByteBuffer.allocate(weights.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      codec.decodeToFloat32(packed, 0, absmax, 0, weights.length, decoded, 0);
      float[] expected = floats(file, "dequantized");
      for (int i = 0; i < expected.length; i++) {
        float half = Floats.f16ToFloat(Floats.floatToF16(decoded.getFloat(i * Float.BYTES)));
        assertThat(half).as("element %d", i).isEqualTo(expected[i]);
      }
    }
  }

  private static ByteBuffer bytes(SafetensorsFile file, String name) {
    ByteBuffer bytes = ByteBuffer.allocate((int) file.info(name).byteCount());
    file.read(name, 0, bytes);
    return bytes.flip();
  }

  private static float[] floats(SafetensorsFile file, String name) {
    TensorInfo info = file.info(name);
    float[] values = new float[(int) info.elements()];
    Floats.toFloats(info.dtype(), bytes(file, name), values, 0, values.length);
    return values;
  }
}
