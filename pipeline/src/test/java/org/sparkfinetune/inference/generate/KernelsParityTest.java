package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.model.safetensors.Floats;

/** The fast kernels against the simple ones, for sizes with and without a ragged end. */
final class KernelsParityTest {
  private final Kernels simple = new ScalarKernels(PairTiles.LANES);
  private final Kernels fast = new VectorKernels(0);
  private final Random random = new Random(3);

  private float[] floats(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 8, 31, 64, 172})
  void products_are_equal_to_the_last_bit_for_every_shape_of_tile(int depth) {
    for (int rows : new int[] {1, 5, 16, 24, 32}) {
      for (int n : new int[] {1, 3, 4, 9}) {
        float[] w = floats(2 + depth * Kernels.PANEL);
        float[] x = floats(1 + n * (depth + 3));
        float[] expected = floats(n * 40);
        float[] made = expected.clone();

        for (boolean add : new boolean[] {true, false, true}) {
          simple.product(w, 2, depth, rows, x, 1, depth + 3, n, expected, 4, 36, add);
          fast.product(w, 2, depth, rows, x, 1, depth + 3, n, made, 4, 36, add);
        }

        assertThat(made).isEqualTo(expected);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 64, 300})
  void a_packed_panel_gives_the_bits_of_the_decoded_one(int depth) {
    float[] w = floats(depth * Kernels.PANEL);
    for (int i = 0; i < w.length; i++) {
      w[i] = ScalarKernels.bf16(w[i]);
    }
    int[] pairs = new int[depth / 2 * Kernels.PANEL];
    fast.pack(w, depth, pairs, 0);
    int[] same = new int[pairs.length];
    simple.pack(w, depth, same, 0);
    assertThat(pairs).isEqualTo(same);
    for (int n : new int[] {1, 3, 4, 9}) {
      float[] x = floats(n * depth);
      float[] expected = new float[n * 40];
      float[] made = expected.clone();
      fast.product(w, 0, depth, Kernels.PANEL, x, 0, depth, n, expected, 4, 36, false);
      fast.pairColumns(pairs, depth, x, n, made, 4, 36);
      assertThat(made).isEqualTo(expected);
      float[] simply = new float[n * 40];
      simple.pairColumns(pairs, depth, x, n, simply, 4, 36);
      assertThat(made).isEqualTo(simply);
      float[] two = new float[Kernels.PANEL];
      for (int r = 0; r < Kernels.PANEL; r += 2 * PairTiles.LANES) {
        PairTiles.panelColumn2(pairs, r, depth, x, 0, two, r);
      }
      assertThat(two).isEqualTo(Arrays.copyOfRange(expected, 4, 4 + Kernels.PANEL));
    }
  }

  @Test
  void where_vectors_begin_no_bit_changes() {
    float[] w = floats(64 * Kernels.PANEL);
    float[] x = floats(64);
    Kernels both = new VectorKernels(2 * 64 * Kernels.PANEL);
    for (int i = 0; i < 4; i++) {
      float[] expected = new float[Kernels.PANEL];
      float[] made = new float[Kernels.PANEL];
      fast.product(w, 0, 64, Kernels.PANEL, x, 0, 64, 1, expected, 0, Kernels.PANEL, false);
      both.product(w, 0, 64, Kernels.PANEL, x, 0, 64, 1, made, 0, Kernels.PANEL, false);
      assertThat(made).isEqualTo(expected);
    }
  }

  @Test
  void parts_of_a_depth_give_the_bits_of_the_whole() {
    float[] w = floats(300 * Kernels.PANEL);
    float[] x = floats(5 * 300);
    float[] whole = new float[5 * Kernels.PANEL];
    float[] parts = new float[5 * Kernels.PANEL];
    fast.product(w, 0, 300, 29, x, 0, 300, 5, whole, 0, Kernels.PANEL, false);
    fast.product(w, 0, 256, 29, x, 0, 300, 5, parts, 0, Kernels.PANEL, false);
    fast.product(w, 256 * Kernels.PANEL, 44, 29, x, 256, 300, 5, parts, 0, Kernels.PANEL, true);
    assertThat(parts).isEqualTo(whole);
  }

  @Test
  void a_products_outputs_do_not_depend_on_their_neighbours() {
    float[] w = floats(100 * 32);
    float[] x = floats(9 * 100);
    float[] together = new float[9 * 32];
    fast.product(w, 0, 100, 32, x, 0, 100, 9, together, 0, 32, false);

    for (int t = 0; t < 9; t++) {
      for (int r = 0; r < 32; r++) {
        float[] alone = new float[r + 1];
        fast.product(w, 0, 100, r + 1, x, t * 100, 100, 1, alone, 0, 1, false);
        assertThat(alone[r]).isEqualTo(together[t * 32 + r]);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 8, 30, 86, 288})
  void rows_are_equal_for_every_shape_of_tile(int half) {
    for (int rows : new int[] {1, 2, 3, 4, 7}) {
      int[] pairs = random.ints(3 + rows * half).map(bits -> bits & 0x3fff3fff).toArray();
      float[] weights = floats(3 + rows * half);
      float[] even = floats(half);
      float[] odd = floats(half);
      float[] expected = new float[rows + 1];
      float[] made = new float[rows + 1];

      simple.pairRows(pairs, 3, rows, half, even, odd, expected, 1);
      fast.pairRows(pairs, 3, rows, half, even, odd, made, 1);
      assertThat(made).containsExactly(expected, within(2e-4f * half));

      simple.floatRows(weights, 3, rows, half, even, expected, 1);
      fast.floatRows(weights, 3, rows, half, even, made, 1);
      assertThat(made).containsExactly(expected, within(1e-4f));
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void panels_of_nf4_are_equal_to_the_last_bit(boolean rounded) {
    int[] codes = random.ints(192 / 8 * Kernels.PANEL).toArray();
    float[] scales = floats(3 * Kernels.PANEL);
    float[] expected = new float[192 * Kernels.PANEL];
    float[] made = new float[192 * Kernels.PANEL];

    simple.nf4(codes, scales, 192, rounded, expected);
    fast.nf4(codes, scales, 192, rounded, made);

    assertThat(made).containsExactly(expected);
  }

  @Test
  void panels_of_decoded_rows_are_equal_to_the_last_bit() {
    int[] starts = random.ints(Kernels.PANEL, 0, 5).map(row -> row * 50).toArray();
    int[] pairs = random.ints(250).map(bits -> bits & 0x3fff3fff).toArray();
    float[] rows = floats(250);
    float[] expected = new float[40 * Kernels.PANEL];
    float[] made = new float[40 * Kernels.PANEL];

    simple.pairs(pairs, starts, 20, 40, expected);
    fast.pairs(pairs, starts, 20, 40, made);
    assertThat(made).containsExactly(expected);

    simple.floats(rows, starts, 7, 40, expected);
    fast.floats(rows, starts, 7, 40, made);
    assertThat(made).containsExactly(expected);
    assertThat(made[3 * Kernels.PANEL + 1]).isEqualTo(rows[starts[1] + 10]);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 8, 29, 100})
  void what_goes_on_between_products_is_equal_to_the_last_bit(int n) {
    float[] scores = floats(n);
    scores[0] = -200;
    float[] exponentials = scores.clone();
    float[] alike = scores.clone();
    assertThat(fast.exponentials(exponentials, 0, n, 2f))
        .isEqualTo(simple.exponentials(alike, 0, n, 2f));
    assertThat(exponentials).isEqualTo(alike);
    for (int i = 0; i < n; i++) {
      assertThat(exponentials[i]).isCloseTo((float) Math.exp(scores[i] - 2), within(1e-6f));
    }

    float[] scaled = scores.clone();
    alike = scores.clone();
    assertThat(fast.scaled(scaled, 0, n, 0.3f)).isEqualTo(simple.scaled(alike, 0, n, 0.3f));
    assertThat(scaled).isEqualTo(alike);

    float[] up = floats(n);
    float[] gate = floats(n);
    float[] gated = gate.clone();
    alike = gate.clone();
    fast.siluTimes(gated, up, 0, n);
    simple.siluTimes(alike, up, 0, n);
    assertThat(gated).isEqualTo(alike);
    for (int i = 0; i < n; i++) {
      double silu = gate[i] / (1 + Math.exp(-gate[i]));
      assertThat(gated[i]).isCloseTo((float) silu * up[i], within(1e-5f));
    }

    assertThat(fast.dot(gate, 0, up, 0, n)).isEqualTo(simple.dot(gate, 0, up, 0, n));

    float[] sums = up.clone();
    alike = up.clone();
    fast.addScaled(0.3f, gate, 0, sums, 0, n);
    simple.addScaled(0.3f, gate, 0, alike, 0, n);
    assertThat(sums).isEqualTo(alike);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 15, 16, 64, 999})
  void bfloat16_is_rounded_as_by_torch(int n) {
    float[] special = {
      Float.NaN,
      Float.intBitsToFloat(0xffffffff),
      Float.POSITIVE_INFINITY,
      -Float.MAX_VALUE,
      Float.MIN_VALUE,
      -0f,
      Float.intBitsToFloat(0x3f808000),
      Float.intBitsToFloat(0x3f818000)
    };
    float[] x = new float[n + 5];
    for (int i = 0; i < x.length; i++) {
      x[i] = i % 9 < special.length ? special[i % 9] : Float.intBitsToFloat(random.nextInt());
    }
    short[] expected = new short[n + 5];
    for (int i = 3; i < 3 + n; i++) {
      expected[i] = Floats.floatToBf16(x[i]);
    }
    for (Kernels kernels : List.of(simple, fast)) {
      short[] made = new short[n + 5];
      kernels.bfloat16(x, 3, n, made);
      assertThat(made).isEqualTo(expected);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 15, 16, 64, 999})
  void the_largest_is_the_first_of_equals_wherever_it_is(int n) {
    for (int where = 0; where < n; where++) {
      float[] x = floats(n + 3);
      // What lies before and behind does not count.
      x[0] = 10;
      x[n + 2] = 10;
      x[n + 1] = 9;
      x[2 + where] = 9;
      assertThat(fast.largest(x, 2, n)).isEqualTo(where);
    }
  }

  @Test
  void the_largest_is_the_simple_ones_among_unusual_numbers() {
    float[] unusual = {Float.NaN, Float.NEGATIVE_INFINITY, 0f, -0f, Float.POSITIVE_INFINITY, 1f};
    for (int i = 0; i < 2000; i++) {
      float[] x = new float[1 + random.nextInt(70)];
      int kinds = 1 + random.nextInt(unusual.length);
      for (int k = 0; k < x.length; k++) {
        x[k] = unusual[random.nextInt(kinds)];
      }
      assertThat(fast.largest(x, 0, x.length)).isEqualTo(simple.largest(x, 0, x.length));
    }
  }
}
