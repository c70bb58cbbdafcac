package org.sparkfinetune.model.quant;

/**
 * The nearest code by a table: [-1, 1] is cut into cells so small that none holds more than one
 * border between codes, and one comparison is left.
 */
final class NearestCode {
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
        // By the function that weights go through: it is monotone, so its rounding does not matter.
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
