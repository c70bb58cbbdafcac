package org.sparkfinetune.model.safetensors;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class FloatsTest {
  @Test
  void every_16_bit_value_survives_the_way_through_float32() {
    for (int bits = 0; bits <= 0xffff; bits++) {
      float bf16 = Floats.bf16ToFloat((short) bits);
      float f16 = Floats.f16ToFloat((short) bits);
      if (!Float.isNaN(bf16)) {
        assertThat(Floats.floatToBf16(bf16)).isEqualTo((short) bits);
      }
      if (!Float.isNaN(f16)) {
        assertThat(Floats.floatToF16(f16)).isEqualTo((short) bits);
      }
    }
  }

  @Test
  void halves_have_the_values_of_their_definition() {
    for (int bits = 0; bits < 0x7c00; bits++) {
      int exponent = bits >> 10;
      double expected =
          exponent == 0 ? Math.scalb(bits, -24) : Math.scalb(1024 + (bits & 1023), exponent - 25);
      assertThat((double) Floats.f16ToFloat((short) bits)).isEqualTo(expected);
    }
    assertThat(Floats.f16ToFloat((short) 0xfc00)).isEqualTo(Float.NEGATIVE_INFINITY);
    assertThat(Floats.f16ToFloat((short) 0x7c01)).isNaN();
  }

  @ParameterizedTest
  @EnumSource(names = {"BF16", "F16"})
  void rounds_to_the_nearest_and_ties_to_even(DType dtype) {
    Random random = new Random(7);
    for (int i = 0; i < 30_000; i++) {
      // The 16-bit value, the one after it, and a float between them, a third of the time halfway.
      short low = (short) random.nextInt(dtype == DType.BF16 ? 0x7f7f : 0x7bff);
      BigDecimal below = new BigDecimal(value(dtype, low));
      BigDecimal above = new BigDecimal(value(dtype, (short) (low + 1)));
      BigDecimal middle = below.add(above).divide(BigDecimal.valueOf(2));
      float x =
          switch (i % 3) {
            case 0 -> middle.floatValue();
            case 1 -> Math.nextUp(middle.floatValue());
            default -> Math.nextDown(middle.floatValue());
          };
      int toMiddle = new BigDecimal(x).compareTo(middle);
      int expected = toMiddle == 0 ? low + (low & 1) : toMiddle < 0 ? low : low + 1;
      assertThat(rounded(dtype, x)).isEqualTo((short) expected);
      assertThat(rounded(dtype, -x)).isEqualTo((short) (expected | 0x8000));
    }
  }

  private static float value(DType dtype, short bits) {
    return dtype == DType.BF16 ? Floats.bf16ToFloat(bits) : Floats.f16ToFloat(bits);
  }

  private static short rounded(DType dtype, float x) {
    return dtype == DType.BF16 ? Floats.floatToBf16(x) : Floats.floatToF16(x);
  }

  @Test
  void too_large_becomes_infinite_and_not_a_number_stays_so() {
    assertThat(Floats.floatToF16(65519.996f)).isEqualTo((short) 0x7bff);
    assertThat(Floats.floatToF16(65520f)).isEqualTo((short) 0x7c00);
    assertThat(Floats.floatToBf16(-Float.MAX_VALUE)).isEqualTo((short) 0xff80);
    assertThat(Floats.floatToBf16(Float.intBitsToFloat(0x7f800001))).isEqualTo((short) 0x7fc0);
    assertThat(Floats.floatToBf16(Float.intBitsToFloat(0xffffffff))).isEqualTo((short) 0xffc0);
    assertThat(Floats.floatToF16(Float.NaN)).isEqualTo((short) 0x7e00);
    assertThat(Floats.floatToF16(1e-30f)).isZero();
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16"})
  void bulk_conversions_equal_the_single_ones_and_advance_the_buffer(DType dtype) {
    int n = 5000;
    float[] values = new float[n + 2];
    Random random = new Random(1);
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    ByteBuffer bytes = ByteBuffer.allocateDirect(4 + n * dtype.bytes()).position(4);
    Floats.fromFloats(dtype, values, 1, n, bytes);
    assertThat(bytes.hasRemaining()).isFalse();
    float[] back = new float[n + 1];
    Floats.toFloats(dtype, bytes.position(4), back, 1, n);
    assertThat(bytes.hasRemaining()).isFalse();
    for (int i = 0; i < n; i++) {
      float x = values[i + 1];
      assertThat(back[i + 1]).isEqualTo(dtype == DType.F32 ? x : value(dtype, rounded(dtype, x)));
    }
  }
}
