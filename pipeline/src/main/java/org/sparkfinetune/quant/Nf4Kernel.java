package org.sparkfinetune.quant;

/**
 * One whole block of 64 weights. Implementations exist per width because the compiler turns vectors
 * into instructions only where the species is a constant of the class.
 */
interface Nf4Kernel {

  /** Largest magnitude of {@code weights[at, at + 64)}; not a number if any of them is not. */
  float absmax(float[] weights, int at);

  /** Codes of {@code weights[at, at + 64)}, one an int. */
  void encode(float[] weights, int at, float reciprocal, int[] codes);

  /**
   * @param pairs packed, the block at {@code [at, at + 32)}
   * @param decoded receives it at the same places, two bf16 an int, the first in the low half
   */
  void decodeToBf16(byte[] pairs, int at, float absmax, int[] decoded);

  /**
   * @param decoded receives the block at {@code [2 * at, 2 * at + 64)}
   */
  void decodeToFloat32(byte[] pairs, int at, float absmax, float[] decoded);
}
