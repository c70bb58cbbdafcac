package org.sparkfinetune.inference.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.inference.generate.Kernels.FastestKernels;

/** The fast kernels against the simple ones, for sizes with and without a ragged end. */
final class KernelsParityTest {
  private final Kernels simple = new ScalarKernels();
  private final Kernels fast = FastestKernels.KERNELS;
  private final Random random = new Random(3);

  private float[] floats(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 8, 30, 86, 288})
  void products_of_pairs_are_equal_for_every_shape_of_tile(int half) {
    for (int rows : new int[] {1, 2, 3, 4, 7}) {
      for (int n : new int[] {1, 2, 3, 9}) {
        int[] weights = random.ints(rows * half).map(bits -> bits & 0x3fff3fff).toArray();
        float[] even = floats(n * half);
        float[] odd = floats(n * half);
        float[] expected = new float[n * rows];
        float[] made = new float[n * rows];

        simple.pairs(weights, 0, rows, half, even, odd, 0, n, expected, 0, rows);
        fast.pairs(weights, 0, rows, half, even, odd, 0, n, made, 0, rows);

        assertThat(made).containsExactly(expected, within(2e-4f * half));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 8, 31, 64, 172})
  void products_of_floats_are_equal(int in) {
    float[] weights = floats(5 * in);
    float[] x = floats(3 * in);
    float[] expected = new float[15];
    float[] made = new float[15];

    simple.floats(weights, 0, 5, in, x, 0, 3, expected, 0, 5);
    fast.floats(weights, 0, 5, in, x, 0, 3, made, 0, 5);

    assertThat(made).containsExactly(expected, within(1e-4f));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 8, 29, 100})
  void exponentials_and_gates_are_equal(int n) {
    float[] scores = floats(n);
    scores[0] = -200;
    float[] other = scores.clone();
    assertThat(fast.exponentials(scores, 0, n, 2f))
        .isCloseTo(simple.exponentials(other, 0, n, 2f), within(1e-4f * n));
    assertThat(scores).containsExactly(other, within(1e-6f));

    float[] gate = floats(n);
    float[] same = gate.clone();
    float[] up = floats(n);
    fast.siluTimes(gate, up, 0, n);
    simple.siluTimes(same, up, 0, n);
    assertThat(gate).containsExactly(same, within(1e-5f));
  }
}
