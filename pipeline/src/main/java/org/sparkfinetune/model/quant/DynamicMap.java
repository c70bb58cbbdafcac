package org.sparkfinetune.model.quant;

import java.util.Arrays;

/**
 * The 8-bit dynamic types (8-Bit Approximations for Parallelism in Deep Learning, Dettmers 2015)
 * with seven exponent bits, as {@code bitsandbytes.functional.create_dynamic_map()} builds them.
 */
public final class DynamicMap {
  private static final int EXPONENTS = 7;
  private static final float SMALLEST = 0.1f;
  private static final float[] VALUES = build(Sign.PLUS, Sign.MINUS);
  private static final float[] UNSIGNED = build(Sign.PLUS);

  private enum Sign {
    PLUS,
    MINUS
  }

  private DynamicMap() {}

  /** The 256 values of the signed type, ascending; a copy. */
  public static float[] values() {
    return VALUES.clone();
  }

  /** The 256 values of the type without a sign, which has twice as many fractions; a copy. */
  public static float[] unsigned() {
    return UNSIGNED.clone();
  }

  /**
   * @param signs whose values there are
   */
  private static float[] build(Sign... signs) {
    float[] values = new float[256];
    int n = 0;
    for (int exponent = 0; exponent < EXPONENTS; exponent++) {
      float scale = (float) Math.pow(10, exponent - (EXPONENTS - 1));
      float[] bounds = linspace((2 / signs.length << exponent) + 1);
      for (int i = 0; i + 1 < bounds.length; i++) {
        float middle = scale * ((bounds[i] + bounds[i + 1]) / 2);
        for (Sign sign : signs) {
          values[n++] = sign == Sign.PLUS ? middle : -middle;
        }
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

  /**
   * The nearest code by a table: [-1, 1] is cut into cells so small that none holds more than one
   * border between codes, and one comparison is left.
   */
  static final class NearestCode {
    private static final int CELLS_A_UNIT = 32;
    private static final int LAST_CELL = 2 * CELLS_A_UNIT;

    /** Codes that lie wholly below the cell. */
    private static final byte[] FIRST_CODE = new byte[LAST_CELL + 1];

    /** The border in the cell, or one that nothing exceeds. */
    private static final float[] BORDER = new float[LAST_CELL + 1];

    static {
      float[] bounds = Nf4.upperBounds();
      for (int cell = 0; cell <= LAST_CELL; cell++) {
        BORDER[cell] = Float.POSITIVE_INFINITY;
        for (float bound : bounds) {
          // By the function that weights go through: it is monotone, so its rounding does not
          // matter.
          if (cell(bound) < cell) {
            FIRST_CODE[cell]++;
          } else if (cell(bound) == cell) {
            BORDER[cell] = bound;
          }
        }
      }
    }

    private NearestCode() {}

    /** Packs {@code weights[from, from + 64)} into 32 bytes. */
    static void encode(float[] weights, int from, float reciprocal, byte[] pairs) {
      for (int i = 0; i < pairs.length; i++) {
        int high = code(weights[from + 2 * i] * reciprocal);
        int low = code(weights[from + 2 * i + 1] * reciprocal);
        pairs[i] = (byte) (high << 4 | low);
      }
    }

    private static int code(float scaled) {
      int cell = cell(scaled);
      // The sign of the difference instead of a comparison, whose branch no processor can foresee.
      return FIRST_CODE[cell] + (Float.floatToRawIntBits(BORDER[cell] - scaled) >>> 31);
    }

    private static int cell(float scaled) {
      return Math.max(0, Math.min((int) ((scaled + 1) * CELLS_A_UNIT), LAST_CELL));
    }
  }
}
