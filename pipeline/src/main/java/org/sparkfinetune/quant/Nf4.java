package org.sparkfinetune.quant;

/** The constants of the type. */
final class Nf4 {
  static final int CODES = 16;

  /** The sixteen values, ascending; as in bitsandbytes. */
  private static final float[] VALUES = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f
  };

  /** What bitsandbytes divides an all-zero block by; its codes are then those of zero. */
  static final float SMALLEST_DIVISOR = 1e-38f;

  private Nf4() {}

  static float value(int code) {
    return VALUES[code];
  }

  /** A copy. */
  static float[] values() {
    return VALUES.clone();
  }

  /** Largest value that still belongs to {@code code}: a tie between two codes goes down. */
  static float[] upperBounds() {
    float[] bounds = new float[CODES - 1];
    for (int code = 0; code < bounds.length; code++) {
      bounds[code] = (VALUES[code] + VALUES[code + 1]) / 2;
    }
    return bounds;
  }
}
