package org.sparkfinetune.inference.generate;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Products of one row, or of four, of bf16 pairs with a column; even and odd elements are summed
 * apart. Written out because the JIT keeps only local variables in registers, and long enough that
 * it compiles each by itself: within its callers it runs at half the speed.
 */
final class PairTiles {
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
  private static final int LANES = FLOATS.length();
  private static final int HIGH = 0xffff0000;

  private PairTiles() {}

  static void column(
      int[] w, int at, int rows, int half, float[] even, float[] odd, int x, float[] y, int yAt) {
    int r = 0;
    for (; r + 3 < rows; r += 4) {
      rows4x1(w, at + r * half, half, even, odd, x, y, yAt + r);
    }
    for (; r < rows; r++) {
      rows1x1(w, at + r * half, half, even, odd, x, y, yAt + r);
    }
  }

  private static FloatVector low(IntVector pair) {
    return pair.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
  }

  private static FloatVector high(IntVector pair) {
    return pair.and(HIGH).reinterpretAsFloats();
  }

  private static float sum(
      FloatVector evens,
      FloatVector odds,
      int[] w,
      int at,
      int from,
      int half,
      float[] even,
      float[] odd,
      int x) {
    float sum = evens.add(odds).reduceLanes(VectorOperators.ADD);
    for (int i = from; i < half; i++) {
      sum += Float.intBitsToFloat(w[at + i] << 16) * even[x + i];
      sum += Float.intBitsToFloat(w[at + i] & HIGH) * odd[x + i];
    }
    return sum;
  }

  private static void rows1x1(
      int[] w, int at, int half, float[] even, float[] odd, int x, float[] y, int yAt) {
    FloatVector e = FloatVector.zero(FLOATS);
    FloatVector o = FloatVector.zero(FLOATS);
    int i = 0;
    for (; i <= half - LANES; i += LANES) {
      IntVector pair = IntVector.fromArray(INTS, w, at + i);
      e = low(pair).fma(FloatVector.fromArray(FLOATS, even, x + i), e);
      o = high(pair).fma(FloatVector.fromArray(FLOATS, odd, x + i), o);
    }
    y[yAt] = sum(e, o, w, at, i, half, even, odd, x);
  }

  private static void rows4x1(
      int[] w, int at, int half, float[] even, float[] odd, int x, float[] y, int yAt) {
    int at1 = at + half;
    int at2 = at1 + half;
    int at3 = at2 + half;
    FloatVector e0 = FloatVector.zero(FLOATS);
    FloatVector e1 = FloatVector.zero(FLOATS);
    FloatVector e2 = FloatVector.zero(FLOATS);
    FloatVector e3 = FloatVector.zero(FLOATS);
    FloatVector o0 = FloatVector.zero(FLOATS);
    FloatVector o1 = FloatVector.zero(FLOATS);
    FloatVector o2 = FloatVector.zero(FLOATS);
    FloatVector o3 = FloatVector.zero(FLOATS);
    int i = 0;
    for (; i <= half - LANES; i += LANES) {
      FloatVector xe = FloatVector.fromArray(FLOATS, even, x + i);
      FloatVector xo = FloatVector.fromArray(FLOATS, odd, x + i);
      IntVector p0 = IntVector.fromArray(INTS, w, at + i);
      e0 = low(p0).fma(xe, e0);
      o0 = high(p0).fma(xo, o0);
      IntVector p1 = IntVector.fromArray(INTS, w, at1 + i);
      e1 = low(p1).fma(xe, e1);
      o1 = high(p1).fma(xo, o1);
      IntVector p2 = IntVector.fromArray(INTS, w, at2 + i);
      e2 = low(p2).fma(xe, e2);
      o2 = high(p2).fma(xo, o2);
      IntVector p3 = IntVector.fromArray(INTS, w, at3 + i);
      e3 = low(p3).fma(xe, e3);
      o3 = high(p3).fma(xo, o3);
    }
    y[yAt] = sum(e0, o0, w, at, i, half, even, odd, x);
    y[yAt + 1] = sum(e1, o1, w, at1, i, half, even, odd, x);
    y[yAt + 2] = sum(e2, o2, w, at2, i, half, even, odd, x);
    y[yAt + 3] = sum(e3, o3, w, at3, i, half, even, odd, x);
  }
}
