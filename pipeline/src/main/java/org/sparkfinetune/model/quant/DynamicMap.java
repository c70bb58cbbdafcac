package org.sparkfinetune.model.quant;

import java.util.Arrays;

/**
 * The signed 8-bit dynamic type (8-Bit Approximations for Parallelism in Deep Learning, Dettmers
 * 2015) with seven exponent bits, as {@code bitsandbytes.functional.create_dynamic_map()} builds
 * it.
 */
final class DynamicMap {
  private static final int EXPONENTS = 7;
  private static final float SMALLEST = 0.1f;
  private static final float[] VALUES = build();

  private DynamicMap() {}

  /** The 256 values, ascending; a copy. */
  static float[] values() {
    return VALUES.clone();
  }

  private static float[] build() {
    float[] values = new float[256];
    int n = 0;
    for (int exponent = 0; exponent < EXPONENTS; exponent++) {
      float scale = (float) Math.pow(10, exponent - (EXPONENTS - 1));
      float[] bounds = linspace((1 << exponent) + 1);
      for (int i = 0; i + 1 < bounds.length; i++) {
        float middle = scale * ((bounds[i] + bounds[i + 1]) / 2);
        values[n++] = middle;
        values[n++] = -middle;
      }
    }
    values[n++] = 0;
    values[n] = 1;
    Arrays.sort(values);
    return values;
  }

  /** torch's, to the last bit: from both ends towards the middle, multiply and add fused. */
  private static float[] linspace(int steps) {
    float step = (1 - SMALLEST) / (steps - 1);
    float[] points = new float[steps];
    for (int i = 0; i < steps; i++) {
      points[i] = i < steps / 2 ? Math.fma(step, i, SMALLEST) : Math.fma(-step, steps - 1 - i, 1f);
    }
    return points;
  }
}
