package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

class MaskWriterTest {
  private static final double P = 0.05;
  private static final long KEY = 0x0123456789ABCDEFL;
  private static final int FROM = 3;
  private static final byte UNTOUCHED = 0x55;

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7, 4096, 4097, 10_001})
  void float32_is_what_the_formula_says_element_by_element(int count) {
    ByteBuffer mask = bytes(4 * (FROM + count + 1));
    new MaskWriter(P).write(mask, ElementType.FLOAT32, FROM, count, KEY);
    for (int i = 0; i < count; i++) {
      assertThat(mask.getFloat(4 * (FROM + i))).as("element %d", i).isEqualTo(formula(i));
    }
    assertThat(mask.get(4 * (FROM + count))).isEqualTo(UNTOUCHED);
    assertThat(mask.get(4 * FROM - 1)).isEqualTo(UNTOUCHED);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7, 4096, 4097, 10_001})
  void bfloat16_is_the_same_rounded(int count) {
    ByteBuffer mask = bytes(2 * (FROM + count + 1));
    new MaskWriter(P).write(mask, ElementType.BFLOAT16, FROM, count, KEY);
    for (int i = 0; i < count; i++) {
      float value = Float.intBitsToFloat(mask.getShort(2 * (FROM + i)) << 16);
      float rounded =
          Float.intBitsToFloat(Float.floatToRawIntBits(formula(i)) + 0x8000 & 0xFFFF0000);
      assertThat(value).as("element %d", i).isEqualTo(rounded);
    }
    assertThat(mask.get(2 * (FROM + count))).isEqualTo(UNTOUCHED);
    assertThat(mask.get(2 * FROM - 1)).isEqualTo(UNTOUCHED);
  }

  private static ByteBuffer bytes(int count) {
    byte[] bytes = new byte[count];
    Arrays.fill(bytes, UNTOUCHED);
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static float formula(int element) {
    int x = (element * 0x9E3779B1 + (int) KEY) ^ (int) (KEY >>> 32);
    x ^= x >>> 16;
    x *= 0x85EBCA6B;
    x ^= x >>> 13;
    x *= 0xC2B2AE35;
    x ^= x >>> 16;
    return (x >>> 8) < Math.round(P * (1 << 24)) ? 0 : (float) (1 / (1 - P));
  }
}
