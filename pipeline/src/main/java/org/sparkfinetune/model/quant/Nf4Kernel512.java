package org.sparkfinetune.model.quant;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * 512-bit vectors (AVX-512): the sixteen values of a block are one register, looked up by one
 * permutation.
 */
final class Nf4Kernel512 implements Nf4Kernel {
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_512;
  private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_512;
  private static final VectorSpecies<Byte> BYTES = ByteVector.SPECIES_128;
  private static final int LANES = 16;
  private static final FloatVector VALUES = FloatVector.fromArray(FLOATS, Nf4.values(), 0);

  /**
   * Lane {@code i} of the first and second half of the weights takes byte {@code i / 2} of its
   * half.
   */
  private static final VectorShuffle<Integer> FIRST_HALF =
      VectorShuffle.fromOp(INTS, lane -> lane / 2);

  private static final VectorShuffle<Integer> SECOND_HALF =
      VectorShuffle.fromOp(INTS, lane -> (lane + LANES) / 2);

  /** 4, 0, 4, 0…: the first weight of a pair is its high nibble. */
  private static final IntVector NIBBLE =
      (IntVector)
          INTS.broadcast(0)
              .addIndex(1)
              .lanewise(VectorOperators.AND, 1)
              .lanewise(VectorOperators.XOR, 1)
              .lanewise(VectorOperators.LSHL, 2);

  @Override
  public String toString() {
    return "512-bit vectors";
  }

  private static IntVector pairs(byte[] pairs, int at) {
    return (IntVector)
        ByteVector.fromArray(BYTES, pairs, at).convertShape(VectorOperators.B2I, INTS, 0);
  }

  /** Float32 to bf16 in the low half, to nearest even. */
  private static IntVector bf16(FloatVector values) {
    IntVector bits = values.reinterpretAsInts();
    IntVector odd = bits.lanewise(VectorOperators.LSHR, 16).and(1);
    return bits.add(odd).add(0x7fff).lanewise(VectorOperators.LSHR, 16);
  }

  @Override
  public void decodeToBf16(byte[] pairs, int at, float absmax, int[] decoded) {
    IntVector table = bf16(VALUES.mul(absmax));
    for (int i = 0; i < Nf4Codec.BLOCK_BYTES; i += LANES) {
      IntVector pair = pairs(pairs, at + i);
      IntVector first = table.rearrange(pair.lanewise(VectorOperators.LSHR, 4).and(15).toShuffle());
      IntVector second = table.rearrange(pair.and(15).toShuffle());
      first.or(second.lanewise(VectorOperators.LSHL, 16)).intoArray(decoded, at + i);
    }
  }

  @Override
  public void decodeToFloat32(byte[] pairs, int at, float absmax, float[] decoded) {
    IntVector table = VALUES.mul(absmax).reinterpretAsInts();
    for (int i = 0; i < Nf4Codec.BLOCK_BYTES; i += LANES) {
      IntVector pair = pairs(pairs, at + i);
      weights(pair.rearrange(FIRST_HALF), table).intoArray(decoded, 2 * (at + i));
      weights(pair.rearrange(SECOND_HALF), table).intoArray(decoded, 2 * (at + i) + LANES);
    }
  }

  private static FloatVector weights(IntVector pair, IntVector table) {
    IntVector code = pair.lanewise(VectorOperators.LSHR, NIBBLE).and(15);
    return table.rearrange(code.toShuffle()).reinterpretAsFloats();
  }
}
