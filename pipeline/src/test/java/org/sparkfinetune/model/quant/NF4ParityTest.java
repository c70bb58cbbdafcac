package org.sparkfinetune.model.quant;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.SafetensorsFile;
import org.sparkfinetune.store.Store;

/** Equal to bitsandbytes, bit for bit, on {@code golden/nf4.safetensors}. */
final class NF4ParityTest {
  private static final String[] CASES = {
    "normal_f32", "normal_bf16", "many_blocks_bf16", "edge_f32", "tail_f32"
  };

  private static SafetensorsFile golden() {
    try {
      return SafetensorsFile.open(
          new Path(NF4ParityTest.class.getResource("/golden/nf4.safetensors").toURI()),
          new Store(new Configuration(false)));
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  static Stream<Arguments> cases() {
    return Stream.of(new ScalarNf4(), new VectorNf4(256), new VectorNf4(512))
        .flatMap(codec -> Arrays.stream(CASES).map(name -> Arguments.of(codec, name)));
  }

  private static ByteBuffer bytes(String tensor) {
    try (SafetensorsFile file = golden()) {
      ByteBuffer bytes =
          ByteBuffer.allocateDirect((int) file.info(tensor).byteCount())
              .order(ByteOrder.LITTLE_ENDIAN);
      file.read(tensor, 0, bytes);
      return bytes.flip();
    }
  }

  private static DType dtype(String tensor) {
    try (SafetensorsFile file = golden()) {
      return file.info(tensor).dtype();
    }
  }

  private static float[] floats(String tensor) {
    DType dtype = dtype(tensor);
    ByteBuffer bytes = bytes(tensor);
    float[] values = new float[bytes.remaining() / dtype.bytes()];
    Floats.toFloats(dtype, bytes, values, 0, values.length);
    return values;
  }

  private static byte[] array(ByteBuffer bytes) {
    byte[] array = new byte[bytes.remaining()];
    bytes.get(array);
    return array;
  }

  private static NestedAbsmax goldenNested(String name) {
    return new NestedAbsmax(
        array(bytes(name + ".double.absmax")),
        floats(name + ".double.nested_absmax"),
        floats(name + ".double.nested_offset")[0],
        0,
        floats(name + ".double.nested_quant_map"));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void absmax_and_codes_are_equal(Nf4Codec codec, String name) {
    float[] weights = floats(name + ".input");
    float[] absmax = new float[Nf4Codec.blocks(weights.length)];
    ByteBuffer packed = ByteBuffer.allocate((weights.length + 1) / 2);
    codec.absmax(weights, 0, weights.length, absmax, 0);
    codec.encode(weights, 0, weights.length, absmax, 0, packed);
    assertThat(absmax).isEqualTo(floats(name + ".single.absmax"));
    assertThat(packed.array()).isEqualTo(array(bytes(name + ".single.packed")));
    assertThat(packed.array()).isEqualTo(array(bytes(name + ".double.packed")));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void dequantized_is_equal(Nf4Codec codec, String name) {
    ByteBuffer expected = bytes(name + ".single.dequantized");
    ByteBuffer decoded = ByteBuffer.allocateDirect(expected.capacity());
    float[] absmax = floats(name + ".single.absmax");
    ByteBuffer packed = bytes(name + ".single.packed");
    if (dtype(name + ".input") == DType.BF16) {
      codec.decodeToBf16(packed, 0, absmax, 0, decoded.capacity() / 2, decoded, 0);
    } else {
      codec.decodeToFloat32(packed, 0, absmax, 0, decoded.capacity() / 4, decoded, 0);
    }
    assertThat(array(decoded)).isEqualTo(array(expected));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void dequantized_through_double_quantisation_is_equal(Nf4Codec codec, String name) {
    ByteBuffer expected = bytes(name + ".double.dequantized");
    ByteBuffer decoded = ByteBuffer.allocateDirect(expected.capacity());
    ByteBuffer packed = bytes(name + ".double.packed");
    NestedAbsmax absmax = goldenNested(name);
    if (dtype(name + ".input") == DType.BF16) {
      codec.decodeToBf16(packed, 0, absmax, 0, decoded.capacity() / 2, decoded, 0);
    } else {
      codec.decodeToFloat32(packed, 0, absmax, 0, decoded.capacity() / 4, decoded, 0);
    }
    assertThat(array(decoded)).isEqualTo(array(expected));
  }

  @ParameterizedTest
  @MethodSource("names")
  void double_quantisation_is_equal_but_for_ties(String name) {
    float[] absmax = floats(name + ".single.absmax");
    NestedAbsmax golden = goldenNested(name);
    float offset =
        DoubleQuantization.offset(DoubleQuantization.sum(absmax, 0, absmax.length), absmax.length);
    assertThat(offset).isBetween(Math.nextDown(golden.offset()), Math.nextUp(golden.offset()));

    NestedAbsmax ours = DoubleQuantization.encode(absmax, golden.offset());
    assertThat(ours.absmax2()).isEqualTo(golden.absmax2());
    for (int block = 0; block < absmax.length; block++) {
      int mine = ours.codes()[block] & 0xff;
      int theirs = golden.codes()[block] & 0xff;
      if (mine != theirs) {
        float scaled = (absmax[block] - golden.offset()) / golden.absmax2()[block / 256];
        float middle = (golden.map()[mine] + golden.map()[theirs]) / 2;
        assertThat(scaled)
            .as("a tie")
            .isCloseTo(middle, org.assertj.core.data.Offset.offset(1e-6f));
      }
    }
  }

  static Stream<String> names() {
    return Arrays.stream(CASES);
  }

  @Test
  void the_map_of_absmax_and_the_values_of_codes_are_equal() {
    assertThat(DynamicMap.values()).isEqualTo(floats("normal_f32.double.nested_quant_map"));
    assertThat(DynamicMap.values()[127]).isZero();
    assertThat(Nf4.values()).isEqualTo(floats("normal_f32.single.code"));
  }
}
