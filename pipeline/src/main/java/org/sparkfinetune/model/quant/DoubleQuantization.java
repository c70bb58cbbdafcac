package org.sparkfinetune.model.quant;

import java.util.Objects;

/**
 * Quantises the absmax values of NF4 blocks to 8 bits (QLoRA, section 3): the mean of the whole
 * tensor's absmax is taken off, and what is left is scaled in groups of 256 and mapped to the
 * nearest of {@link DynamicMap}'s values. Decoding is {@code map[code] * absmax2 + offset} in
 * float32.
 */
public final class DoubleQuantization {
  private static final float[] MAP = DynamicMap.values();
  private static final float[] UPPER_BOUNDS = upperBounds();

  private DoubleQuantization() {}

  /**
   * The mean, rounded once. bitsandbytes adds in float32, so its mean may be a last place away.
   *
   * @param sum of the absmax of every block of the tensor, whichever rank holds it
   * @param n blocks of the tensor
   */
  public static float offset(double sum, long n) {
    return (float) (sum / n);
  }

  /** Sum for {@link #offset}, always in the same order. */
  public static double sum(float[] absmax, int from, int count) {
    double sum = 0;
    for (int i = from; i < from + count; i++) {
      sum += absmax[i];
    }
    return sum;
  }

  /** A whole tensor's. */
  public static NestedAbsmax encode(float[] absmax, float offset) {
    return encode(absmax, 0, absmax.length, offset);
  }

  /**
   * Those of a range that begins at a multiple of 256 blocks of its tensor and ends at one or at
   * the tensor's end: then it is the same as a slice of the whole tensor's.
   */
  public static NestedAbsmax encode(float[] absmax, int from, int count, float offset) {
    Objects.checkFromIndexSize(from, count, absmax.length);
    byte[] codes = new byte[count];
    float[] absmax2 = new float[NestedAbsmax.groups(count)];
    for (int group = 0; group < absmax2.length; group++) {
      int first = group * NestedAbsmax.GROUP;
      int n = Math.min(NestedAbsmax.GROUP, count - first);
      absmax2[group] = encodeGroup(absmax, from + first, n, offset, codes, first);
    }
    return new NestedAbsmax(codes, absmax2, offset);
  }

  private static float encodeGroup(
      float[] absmax, int from, int count, float offset, byte[] codes, int codesFrom) {
    float largest = 0;
    for (int i = 0; i < count; i++) {
      largest = Math.max(largest, Math.abs(absmax[from + i] - offset));
    }
    if (largest == 0) {
      // Every code decodes to the offset; bitsandbytes leaves 0.
      return 0;
    }
    float reciprocal = 1 / largest;
    for (int i = 0; i < count; i++) {
      codes[codesFrom + i] = (byte) nearest((absmax[from + i] - offset) * reciprocal);
    }
    return largest;
  }

  private static int nearest(float scaled) {
    int below = 0;
    int above = UPPER_BOUNDS.length;
    while (below < above) {
      int middle = (below + above) >>> 1;
      if (scaled > UPPER_BOUNDS[middle]) {
        below = middle + 1;
      } else {
        above = middle;
      }
    }
    return below;
  }

  /** Decodes {@code count} blocks from {@code firstBlock} on to {@code out[outFrom…]}. */
  public static void decode(
      NestedAbsmax nested, int firstBlock, int count, float[] out, int outFrom) {
    Objects.checkFromIndexSize(firstBlock, count, nested.blocks());
    byte[] codes = nested.codes();
    float[] map = nested.map();
    for (int i = 0; i < count; i++) {
      int block = firstBlock + i;
      float scale = nested.absmax2()[(nested.phase() + block) / NestedAbsmax.GROUP];
      out[outFrom + i] = map[codes[block] & 0xff] * scale + nested.offset();
    }
  }

  private static float[] upperBounds() {
    float[] bounds = new float[MAP.length - 1];
    for (int code = 0; code < bounds.length; code++) {
      bounds[code] = (MAP[code] + MAP[code + 1]) / 2;
    }
    return bounds;
  }
}
