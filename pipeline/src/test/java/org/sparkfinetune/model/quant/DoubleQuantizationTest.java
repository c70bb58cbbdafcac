package org.sparkfinetune.model.quant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.errors.Bug;

final class DoubleQuantizationTest {
  private static float[] absmax(int n) {
    Random random = new Random(n);
    float[] absmax = new float[n];
    for (int i = 0; i < n; i++) {
      absmax[i] = Math.abs((float) random.nextGaussian());
    }
    return absmax;
  }

  @Test
  void ranges_that_begin_at_a_group_are_slices_of_the_whole() {
    float[] absmax = absmax(1000);
    NestedAbsmax whole = DoubleQuantization.encode(absmax, 0.8f);
    assertThat(DoubleQuantization.encode(absmax, 512, 256, 0.8f)).isEqualTo(whole.slice(512, 256));
    assertThat(DoubleQuantization.encode(absmax, 768, 232, 0.8f)).isEqualTo(whole.slice(768, 232));
  }

  @Test
  void any_slice_decodes_to_the_same_values() {
    NestedAbsmax whole = DoubleQuantization.encode(absmax(1000), 0.8f);
    float[] all = new float[1000];
    DoubleQuantization.decode(whole, 0, 1000, all, 0);
    for (int first = 0; first <= 1000; first += 37) {
      int count = Math.min(1000 - first, 300);
      float[] some = new float[count];
      DoubleQuantization.decode(whole.slice(first, count), 0, count, some, 0);
      assertThat(some).isEqualTo(Arrays.copyOfRange(all, first, first + count));
    }
  }

  @Test
  void equal_blocks_decode_to_themselves() {
    float[] absmax = new float[300];
    Arrays.fill(absmax, 0.25f);
    NestedAbsmax nested = DoubleQuantization.encode(absmax, 0.25f);
    float[] decoded = new float[300];
    DoubleQuantization.decode(nested, 0, 300, decoded, 0);
    assertThat(decoded).isEqualTo(absmax);
    assertThat(nested.absmax2()).containsOnly(0);
  }

  @Test
  void codes_are_the_nearest_of_the_map() {
    float[] absmax = absmax(2560);
    NestedAbsmax nested = DoubleQuantization.encode(absmax, 0.8f);
    for (int i = 0; i < absmax.length; i++) {
      float scaled = (absmax[i] - 0.8f) * (1 / nested.absmax2()[i / 256]);
      float chosen = Math.abs(nested.map()[nested.codes()[i] & 0xff] - scaled);
      for (float value : nested.map()) {
        assertThat(chosen).isLessThanOrEqualTo(Math.abs(value - scaled) + 1e-7f);
      }
    }
  }

  @Test
  void the_wrong_number_of_groups_is_our_mistake() {
    assertThatThrownBy(() -> new NestedAbsmax(new byte[300], new float[1], 0))
        .isInstanceOf(Bug.class)
        .hasMessageContaining("300 blocks");
  }
}
