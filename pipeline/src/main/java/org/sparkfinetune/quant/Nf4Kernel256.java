package org.sparkfinetune.quant;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * 256-bit vectors (AVX2). The sixteen bf16 values of a block fit one register of eight ints, value
 * {@code c} in the low half and {@code c + 8} in the high half of lane {@code c}: one permutation
 * by the code's low three bits and one shift by its fourth look a weight up.
 */
final class Nf4Kernel256 implements Nf4Kernel {
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_256;
  private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_256;
  private static final VectorSpecies<Byte> BYTES = ByteVector.SPECIES_64;
  private static final int LANES = 8;
  private static final float[] UPPER_BOUNDS = Nf4.upperBounds();
  private static final FloatVector LOW = FloatVector.fromArray(FLOATS, Nf4.values(), 0);
  private static final FloatVector HIGH = FloatVector.fromArray(FLOATS, Nf4.values(), LANES);

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
    return "256-bit vectors";
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
    IntVector table =
        bf16(LOW.mul(absmax)).or(bf16(HIGH.mul(absmax)).lanewise(VectorOperators.LSHL, 16));
    for (int i = at; i < at + Nf4Codec.BLOCK_BYTES; i += LANES) {
      IntVector pair = pairs(pairs, i);
      IntVector first = table.rearrange(pair.lanewise(VectorOperators.LSHR, 4).and(7).toShuffle());
      IntVector second = table.rearrange(pair.and(7).toShuffle());
      // The fourth bit of a code, moved to where it reads 16 or 0, chooses the half.
      IntVector firstHalf = pair.lanewise(VectorOperators.LSHR, 3).and(16);
      IntVector secondHalf = pair.lanewise(VectorOperators.LSHL, 1).and(16);
      first
          .lanewise(VectorOperators.LSHR, firstHalf)
          .and(0xffff)
          .or(second.lanewise(VectorOperators.LSHR, secondHalf).lanewise(VectorOperators.LSHL, 16))
          .intoArray(decoded, i);
    }
  }

  @Override
  public void decodeToFloat32(byte[] pairs, int at, float absmax, float[] decoded) {
    IntVector low = LOW.mul(absmax).reinterpretAsInts();
    IntVector high = HIGH.mul(absmax).reinterpretAsInts();
    for (int i = at; i < at + Nf4Codec.BLOCK_BYTES; i += LANES) {
      IntVector pair = pairs(pairs, i);
      weights(pair.rearrange(FIRST_HALF), low, high).intoArray(decoded, 2 * i);
      weights(pair.rearrange(SECOND_HALF), low, high).intoArray(decoded, 2 * i + LANES);
    }
  }

  private static FloatVector weights(IntVector pair, IntVector low, IntVector high) {
    IntVector code = pair.lanewise(VectorOperators.LSHR, NIBBLE).and(15);
    VectorShuffle<Integer> lane = code.and(7).toShuffle();
    return low.rearrange(lane)
        .blend(high.rearrange(lane), code.compare(VectorOperators.GT, 7))
        .reinterpretAsFloats();
  }

  @Override
  public float absmax(float[] weights, int at) {
    // As integers magnitudes have the same order, and not-a-number is larger than any of them.
    IntVector largest = IntVector.zero(INTS);
    for (int i = 0; i < Nf4Codec.BLOCK; i += LANES) {
      IntVector bits = FloatVector.fromArray(FLOATS, weights, at + i).reinterpretAsInts();
      largest = largest.max(bits.and(Integer.MAX_VALUE));
    }
    return Float.intBitsToFloat(largest.reduceLanes(VectorOperators.MAX));
  }

  @Override
  public void encode(float[] weights, int at, float reciprocal, int[] codes) {
    for (int i = 0; i < Nf4Codec.BLOCK; i += LANES) {
      FloatVector scaled = FloatVector.fromArray(FLOATS, weights, at + i).mul(reciprocal);
      IntVector code = IntVector.zero(INTS);
      for (float bound : UPPER_BOUNDS) {
        code = code.add(1, scaled.compare(VectorOperators.GT, bound).cast(INTS));
      }
      code.intoArray(codes, i);
    }
  }
}
