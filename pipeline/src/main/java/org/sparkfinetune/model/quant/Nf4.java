package org.sparkfinetune.model.quant;

/** The constants of the type. */
final class Nf4 {
  static final int CODES = 16;

  /** The sixteen values, ascending; as in bitsandbytes. */
  private static final float[] VALUES = {
    -1.0f,
    -0.6961928f,
    -0.52507305f,
    -0.3949175f,
    -0.28444138f,
    -0.18477343f,
    -0.091050036f,
    0.0f,
    0.0795803f,
    0.1609302f,
    0.2461123f,
    0.33791524f,
    0.44070983f,
    0.562617f,
    0.72295684f,
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
