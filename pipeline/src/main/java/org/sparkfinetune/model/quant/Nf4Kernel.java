package org.sparkfinetune.model.quant;

/**
 * Decodes one whole block of 64 weights. Implementations exist per width because the compiler turns
 * vectors into instructions only where the species is a constant of the class.
 */
interface Nf4Kernel {

  /**
   * To bf16.
   *
   * @param pairs packed, the block at {@code [at, at + 32)}
   * @param decoded receives it at the same places, two bf16 an int, the first in the low half
   */
  void decodeToBf16(byte[] pairs, int at, float absmax, int[] decoded);

  /**
   * To float32.
   *
   * @param decoded receives the block at {@code [2 * at, 2 * at + 64)}
   */
  void decodeToFloat32(byte[] pairs, int at, float absmax, float[] decoded);
}
