package org.sparkfinetune.inference.generate;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Products of bf16 pairs with a column: of one row or four, whose even and odd elements are summed
 * apart, and of a panel. Written out because the JIT keeps only local variables in registers, and long enough that
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

  /** Four vectors of rows of a panel and a column: an output is one chain of multiply-adds. */
  static void panelColumn(
      int[] w, int at, int depth, float[] x, int xAt, float[] y, int yAt, boolean add) {
    FloatVector s0 = FloatVector.zero(FLOATS);
    FloatVector s1 = FloatVector.zero(FLOATS);
    FloatVector s2 = FloatVector.zero(FLOATS);
    FloatVector s3 = FloatVector.zero(FLOATS);
    for (int i = 0; i < depth / 2; i++) {
      int row = at + i * Kernels.PANEL;
      FloatVector even = FloatVector.broadcast(FLOATS, x[xAt + 2 * i]);
      FloatVector odd = FloatVector.broadcast(FLOATS, x[xAt + 2 * i + 1]);
      IntVector p0 = IntVector.fromArray(INTS, w, row);
      s0 = high(p0).fma(odd, low(p0).fma(even, s0));
      IntVector p1 = IntVector.fromArray(INTS, w, row + LANES);
      s1 = high(p1).fma(odd, low(p1).fma(even, s1));
      IntVector p2 = IntVector.fromArray(INTS, w, row + 2 * LANES);
      s2 = high(p2).fma(odd, low(p2).fma(even, s2));
      IntVector p3 = IntVector.fromArray(INTS, w, row + 3 * LANES);
      s3 = high(p3).fma(odd, low(p3).fma(even, s3));
    }
    if (add) {
      s0 = s0.add(FloatVector.fromArray(FLOATS, y, yAt));
      s1 = s1.add(FloatVector.fromArray(FLOATS, y, yAt + LANES));
      s2 = s2.add(FloatVector.fromArray(FLOATS, y, yAt + 2 * LANES));
      s3 = s3.add(FloatVector.fromArray(FLOATS, y, yAt + 3 * LANES));
    }
    s0.intoArray(y, yAt);
    s1.intoArray(y, yAt + LANES);
    s2.intoArray(y, yAt + 2 * LANES);
    s3.intoArray(y, yAt + 3 * LANES);
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
