package org.sparkfinetune.model.quant;

/** What the codes of NF4 under double quantisation stand for, as tables for other decoders. */
public final class Nf4Lookup {
  /** Values of a byte. */
  public static final int BYTES = 256;

  private Nf4Lookup() {}

  /** The weights, before absmax, of each packed byte: first that of the high nibble; (256, 2). */
  public static float[] pairs() {
    float[] pairs = new float[2 * BYTES];
    for (int code = 0; code < BYTES; code++) {
      pairs[2 * code] = Nf4.value(code >> 4);
      pairs[2 * code + 1] = Nf4.value(code & 15);
    }
    return pairs;
  }

  /** Values of an absmax's nested codes, before its group's scale and the offset. */
  public static float[] absmax() {
    return DynamicMap.values();
  }
}
