package org.sparkfinetune.inference.generate;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.quant.Nf4Codec.Nf4Lookup;

/** NF4's values, in one register of sixteen lanes or two of eight, looked up by a permutation. */
final class VectorNf4 {
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
  private static final int LANES = FLOATS.length();
  private static final int PANEL = Kernels.PANEL;
  private static final IntVector FIRST = values(0);
  private static final IntVector SECOND = values(Math.max(0, 16 - LANES));

  private VectorNf4() {}

  /**
   * To nearest even: what is added to a float's bits, beside the last that stays, and which stay.
   * That numbers say it, and no choice, keeps the loop free of branches.
   */
  private record Rounding(int last, int half, int kept) {
    static final Rounding BF16 = new Rounding(1, 0x7fff, 0xffff0000);
    static final Rounding NONE = new Rounding(0, 0, -1);
  }

  private static IntVector values(int from) {
    int[] bits = new int[2 * LANES];
    float[] values = Nf4Lookup.values();
    for (int i = 0; i < values.length - from && i < bits.length; i++) {
      bits[i] = Float.floatToRawIntBits(values[from + i]);
    }
    return IntVector.fromArray(INTS, bits, 0);
  }

  /** As {@link Kernels#nf4}. */
  static void decode(int[] codes, float[] scales, int depth, boolean rounded, float[] panel) {
    decode(codes, scales, depth, rounded ? Rounding.BF16 : Rounding.NONE, panel);
  }

  private static void decode(
      int[] codes, float[] scales, int depth, Rounding rounding, float[] panel) {
    int last = rounding.last();
    int half = rounding.half();
    int kept = rounding.kept();
    for (int r = 0; r < PANEL; r += LANES) {
      for (int i = 0; i < depth / 8; i++) {
        IntVector eight = IntVector.fromArray(INTS, codes, i * PANEL + r);
        FloatVector scale =
            FloatVector.fromArray(FLOATS, scales, i / (Nf4Codec.BLOCK / 8) * PANEL + r);
        for (int k = 0; k < 8; k++) {
          IntVector bits =
              value(eight.lanewise(VectorOperators.LSHR, 4 * (k ^ 1)))
                  .mul(scale)
                  .reinterpretAsInts();
          bits.add(bits.lanewise(VectorOperators.LSHR, 16).and(last))
              .add(half)
              .and(kept)
              .reinterpretAsFloats()
              .intoArray(panel, (8 * i + k) * PANEL + r);
        }
      }
    }
  }

  /** Of the lowest four bits. */
  private static FloatVector value(IntVector bits) {
    if (LANES >= 16) {
      return FIRST.rearrange(bits.and(15).toShuffle()).reinterpretAsFloats();
    }
    var lane = bits.and(7).toShuffle();
    return FIRST
        .rearrange(lane)
        .blend(SECOND.rearrange(lane), bits.and(8).compare(VectorOperators.NE, 0))
        .reinterpretAsFloats();
  }
}
