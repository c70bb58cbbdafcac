package org.sparkfinetune.inference.generate;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Products of bf16 pairs with a column: of one row or four, whose even and odd elements are summed
 * apart, and of a panel. Written out because the JIT keeps only local variables in registers, and
 * long enough that it compiles each by itself: within its callers it runs at half the speed.
 */
final class PairTiles {
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
  static final int LANES = FLOATS.length();
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

  /**
   * Two vectors of rows of a panel and four columns, over the whole depth. An output is one chain
   * of multiply-adds.
   */
  static void panelColumns4(
      int[] w, int at, int depth, float[] x, int x0, float[] y, int y0, int yStride) {
    int x1 = x0 + depth;
    int x2 = x1 + depth;
    int x3 = x2 + depth;
    FloatVector a0 = FloatVector.zero(FLOATS);
    FloatVector a1 = FloatVector.zero(FLOATS);
    FloatVector a2 = FloatVector.zero(FLOATS);
    FloatVector a3 = FloatVector.zero(FLOATS);
    FloatVector b0 = FloatVector.zero(FLOATS);
    FloatVector b1 = FloatVector.zero(FLOATS);
    FloatVector b2 = FloatVector.zero(FLOATS);
    FloatVector b3 = FloatVector.zero(FLOATS);
    for (int k = 0; k < depth; k += 2) {
      IntVector a = IntVector.fromArray(INTS, w, at + k / 2 * Kernels.PANEL);
      IntVector b = IntVector.fromArray(INTS, w, at + k / 2 * Kernels.PANEL + LANES);
      FloatVector aEven = low(a);
      FloatVector aOdd = high(a);
      FloatVector bEven = low(b);
      FloatVector bOdd = high(b);
      FloatVector factor = FloatVector.broadcast(FLOATS, x[x0 + k]);
      a0 = aEven.fma(factor, a0);
      b0 = bEven.fma(factor, b0);
      factor = FloatVector.broadcast(FLOATS, x[x0 + k + 1]);
      a0 = aOdd.fma(factor, a0);
      b0 = bOdd.fma(factor, b0);
      factor = FloatVector.broadcast(FLOATS, x[x1 + k]);
      a1 = aEven.fma(factor, a1);
      b1 = bEven.fma(factor, b1);
      factor = FloatVector.broadcast(FLOATS, x[x1 + k + 1]);
      a1 = aOdd.fma(factor, a1);
      b1 = bOdd.fma(factor, b1);
      factor = FloatVector.broadcast(FLOATS, x[x2 + k]);
      a2 = aEven.fma(factor, a2);
      b2 = bEven.fma(factor, b2);
      factor = FloatVector.broadcast(FLOATS, x[x2 + k + 1]);
      a2 = aOdd.fma(factor, a2);
      b2 = bOdd.fma(factor, b2);
      factor = FloatVector.broadcast(FLOATS, x[x3 + k]);
      a3 = aEven.fma(factor, a3);
      b3 = bEven.fma(factor, b3);
      factor = FloatVector.broadcast(FLOATS, x[x3 + k + 1]);
      a3 = aOdd.fma(factor, a3);
      b3 = bOdd.fma(factor, b3);
    }
    int y1 = y0 + yStride;
    int y2 = y1 + yStride;
    int y3 = y2 + yStride;
    a0.intoArray(y, y0);
    b0.intoArray(y, y0 + LANES);
    a1.intoArray(y, y1);
    b1.intoArray(y, y1 + LANES);
    a2.intoArray(y, y2);
    b2.intoArray(y, y2 + LANES);
    a3.intoArray(y, y3);
    b3.intoArray(y, y3 + LANES);
  }

  /** The same of two vectors with one column, for what {@link #panelColumn4} is too wide for. */
  static void panelColumn2(int[] w, int at, int depth, float[] x, int xAt, float[] y, int yAt) {
    FloatVector a = FloatVector.zero(FLOATS);
    FloatVector b = FloatVector.zero(FLOATS);
    for (int k = 0; k < depth; k += 2) {
      int row = at + k / 2 * Kernels.PANEL;
      FloatVector even = FloatVector.broadcast(FLOATS, x[xAt + k]);
      FloatVector odd = FloatVector.broadcast(FLOATS, x[xAt + k + 1]);
      IntVector pair = IntVector.fromArray(INTS, w, row);
      a = high(pair).fma(odd, low(pair).fma(even, a));
      pair = IntVector.fromArray(INTS, w, row + LANES);
      b = high(pair).fma(odd, low(pair).fma(even, b));
    }
    a.intoArray(y, yAt);
    b.intoArray(y, yAt + LANES);
  }

  /** The same of four vectors with one column. */
  static void panelColumn4(int[] w, int at, int depth, float[] x, int xAt, float[] y, int yAt) {
    FloatVector a = FloatVector.zero(FLOATS);
    FloatVector b = FloatVector.zero(FLOATS);
    FloatVector c = FloatVector.zero(FLOATS);
    FloatVector d = FloatVector.zero(FLOATS);
    for (int k = 0; k < depth; k += 2) {
      int row = at + k / 2 * Kernels.PANEL;
      FloatVector even = FloatVector.broadcast(FLOATS, x[xAt + k]);
      FloatVector odd = FloatVector.broadcast(FLOATS, x[xAt + k + 1]);
      IntVector pair = IntVector.fromArray(INTS, w, row);
      a = high(pair).fma(odd, low(pair).fma(even, a));
      pair = IntVector.fromArray(INTS, w, row + LANES);
      b = high(pair).fma(odd, low(pair).fma(even, b));
      pair = IntVector.fromArray(INTS, w, row + 2 * LANES);
      c = high(pair).fma(odd, low(pair).fma(even, c));
      pair = IntVector.fromArray(INTS, w, row + 3 * LANES);
      d = high(pair).fma(odd, low(pair).fma(even, d));
    }
    a.intoArray(y, yAt);
    b.intoArray(y, yAt + LANES);
    c.intoArray(y, yAt + 2 * LANES);
    d.intoArray(y, yAt + 3 * LANES);
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
