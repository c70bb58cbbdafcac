package org.sparkfinetune.inference.generate;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** {@link Kernels} on the Vector API. */
final class VectorKernels implements Kernels {
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
  private static final int LANES = FLOATS.length();
  private static final int HIGH = 0xffff0000;

  @Override
  public String toString() {
    return FLOATS.vectorBitSize() + "-bit vectors";
  }

  @Override
  public int lanes() {
    return LANES;
  }

  @Override
  public void pairs(
      int[] w, int rows, int half, float[] x, int oddAt, int n, float[] y, int yAt, int yStride) {
    for (int t = 0; t < n; t++) {
      int to = yAt + t * yStride;
      int r = 0;
      for (; r + 3 < rows; r += 4) {
        Rows.pairs4(w, r * half, half, x, t * half, oddAt + t * half, y, to + r);
      }
      for (; r < rows; r++) {
        y[to + r] = Rows.pairs(w, r * half, half, x, t * half, oddAt + t * half);
      }
    }
  }

  @Override
  public void floats(
      float[] w, int rows, int in, float[] x, int n, float[] y, int yAt, int yStride) {
    for (int t = 0; t < n; t++) {
      int to = yAt + t * yStride;
      int r = 0;
      for (; r + 3 < rows; r += 4) {
        Rows.floats4(w, r * in, in, x, t * in, y, to + r);
      }
      for (; r < rows; r++) {
        y[to + r] = Rows.floats(w, r * in, in, x, t * in);
      }
    }
  }

  /**
   * One row times a column, and four. Written out, as the tiles below, because the JIT keeps only
   * local variables in registers.
   */
  private static final class Rows {
    private static FloatVector first(IntVector pair) {
      return pair.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    private static FloatVector second(IntVector pair) {
      return pair.and(HIGH).reinterpretAsFloats();
    }

    static float pairs(int[] w, int at, int half, float[] x, int even, int odd) {
      FloatVector sum = FloatVector.zero(FLOATS);
      for (int i = 0; i < half; i += LANES) {
        IntVector pair = IntVector.fromArray(INTS, w, at + i);
        sum = first(pair).fma(FloatVector.fromArray(FLOATS, x, even + i), sum);
        sum = second(pair).fma(FloatVector.fromArray(FLOATS, x, odd + i), sum);
      }
      return sum.reduceLanes(VectorOperators.ADD);
    }

    static void pairs4(
        int[] w, int at, int half, float[] x, int even, int odd, float[] y, int yAt) {
      int at1 = at + half;
      int at2 = at1 + half;
      int at3 = at2 + half;
      FloatVector s0 = FloatVector.zero(FLOATS);
      FloatVector s1 = FloatVector.zero(FLOATS);
      FloatVector s2 = FloatVector.zero(FLOATS);
      FloatVector s3 = FloatVector.zero(FLOATS);
      for (int i = 0; i < half; i += LANES) {
        FloatVector xe = FloatVector.fromArray(FLOATS, x, even + i);
        FloatVector xo = FloatVector.fromArray(FLOATS, x, odd + i);
        IntVector p0 = IntVector.fromArray(INTS, w, at + i);
        IntVector p1 = IntVector.fromArray(INTS, w, at1 + i);
        IntVector p2 = IntVector.fromArray(INTS, w, at2 + i);
        IntVector p3 = IntVector.fromArray(INTS, w, at3 + i);
        s0 = first(p0).fma(xe, s0);
        s1 = first(p1).fma(xe, s1);
        s2 = first(p2).fma(xe, s2);
        s3 = first(p3).fma(xe, s3);
        s0 = second(p0).fma(xo, s0);
        s1 = second(p1).fma(xo, s1);
        s2 = second(p2).fma(xo, s2);
        s3 = second(p3).fma(xo, s3);
      }
      y[yAt] = s0.reduceLanes(VectorOperators.ADD);
      y[yAt + 1] = s1.reduceLanes(VectorOperators.ADD);
      y[yAt + 2] = s2.reduceLanes(VectorOperators.ADD);
      y[yAt + 3] = s3.reduceLanes(VectorOperators.ADD);
    }

    static float floats(float[] w, int at, int in, float[] x, int xAt) {
      FloatVector sum = FloatVector.zero(FLOATS);
      for (int i = 0; i < in; i += LANES) {
        sum =
            FloatVector.fromArray(FLOATS, w, at + i)
                .fma(FloatVector.fromArray(FLOATS, x, xAt + i), sum);
      }
      return sum.reduceLanes(VectorOperators.ADD);
    }

    static void floats4(float[] w, int at, int in, float[] x, int xAt, float[] y, int yAt) {
      int at1 = at + in;
      int at2 = at1 + in;
      int at3 = at2 + in;
      FloatVector s0 = FloatVector.zero(FLOATS);
      FloatVector s1 = FloatVector.zero(FLOATS);
      FloatVector s2 = FloatVector.zero(FLOATS);
      FloatVector s3 = FloatVector.zero(FLOATS);
      for (int i = 0; i < in; i += LANES) {
        FloatVector v = FloatVector.fromArray(FLOATS, x, xAt + i);
        s0 = FloatVector.fromArray(FLOATS, w, at + i).fma(v, s0);
        s1 = FloatVector.fromArray(FLOATS, w, at1 + i).fma(v, s1);
        s2 = FloatVector.fromArray(FLOATS, w, at2 + i).fma(v, s2);
        s3 = FloatVector.fromArray(FLOATS, w, at3 + i).fma(v, s3);
      }
      y[yAt] = s0.reduceLanes(VectorOperators.ADD);
      y[yAt + 1] = s1.reduceLanes(VectorOperators.ADD);
      y[yAt + 2] = s2.reduceLanes(VectorOperators.ADD);
      y[yAt + 3] = s3.reduceLanes(VectorOperators.ADD);
    }
  }

  @Override
  public void product(
      float[] w,
      int wAt,
      int depth,
      int rows,
      float[] x,
      int xAt,
      int xStride,
      int n,
      float[] y,
      int yAt,
      int yStride,
      boolean add) {
    int r = 0;
    for (; r + 2 * LANES <= rows; r += 2 * LANES) {
      columns(w, wAt + r, depth, x, xAt, xStride, n, y, yAt + r, yStride, add);
    }
    if (r < rows) {
      float[] whole = new float[n * 2 * LANES];
      columns(w, wAt + r, depth, x, xAt, xStride, n, whole, 0, 2 * LANES, false);
      for (int t = 0; t < n; t++) {
        for (int i = r; i < rows; i++) {
          float sum = whole[t * 2 * LANES + i - r];
          int to = yAt + t * yStride + i;
          y[to] = add ? sum + y[to] : sum;
        }
      }
    }
  }

  private static void columns(
      float[] w,
      int at,
      int depth,
      float[] x,
      int xAt,
      int xStride,
      int n,
      float[] y,
      int yAt,
      int yStride,
      boolean add) {
    int t = 0;
    for (; t + 4 <= n; t += 4) {
      int to = yAt + t * yStride;
      Tiles.columns4(w, at, depth, x, xAt + t * xStride, xStride, y, to, yStride, add);
    }
    for (; t < n; t++) {
      Tiles.column(w, at, depth, x, xAt + t * xStride, y, yAt + t * yStride, add);
    }
  }

  /** Products of two vectors of rows with four columns and with one. */
  private static final class Tiles {
    static void columns4(
        float[] w,
        int at,
        int depth,
        float[] x,
        int x0,
        int xStride,
        float[] y,
        int yAt,
        int yStride,
        boolean add) {
      int x1 = x0 + xStride;
      int x2 = x1 + xStride;
      int x3 = x2 + xStride;
      FloatVector low0 = FloatVector.zero(FLOATS);
      FloatVector low1 = FloatVector.zero(FLOATS);
      FloatVector low2 = FloatVector.zero(FLOATS);
      FloatVector low3 = FloatVector.zero(FLOATS);
      FloatVector high0 = FloatVector.zero(FLOATS);
      FloatVector high1 = FloatVector.zero(FLOATS);
      FloatVector high2 = FloatVector.zero(FLOATS);
      FloatVector high3 = FloatVector.zero(FLOATS);
      for (int k = 0; k < depth; k++) {
        FloatVector low = FloatVector.fromArray(FLOATS, w, at + k * PANEL);
        FloatVector high = FloatVector.fromArray(FLOATS, w, at + k * PANEL + LANES);
        FloatVector factor = FloatVector.broadcast(FLOATS, x[x0 + k]);
        low0 = low.fma(factor, low0);
        high0 = high.fma(factor, high0);
        factor = FloatVector.broadcast(FLOATS, x[x1 + k]);
        low1 = low.fma(factor, low1);
        high1 = high.fma(factor, high1);
        factor = FloatVector.broadcast(FLOATS, x[x2 + k]);
        low2 = low.fma(factor, low2);
        high2 = high.fma(factor, high2);
        factor = FloatVector.broadcast(FLOATS, x[x3 + k]);
        low3 = low.fma(factor, low3);
        high3 = high.fma(factor, high3);
      }
      put(low0, y, yAt, add);
      put(high0, y, yAt + LANES, add);
      put(low1, y, yAt + yStride, add);
      put(high1, y, yAt + yStride + LANES, add);
      put(low2, y, yAt + 2 * yStride, add);
      put(high2, y, yAt + 2 * yStride + LANES, add);
      put(low3, y, yAt + 3 * yStride, add);
      put(high3, y, yAt + 3 * yStride + LANES, add);
    }

    static void column(
        float[] w, int at, int depth, float[] x, int xAt, float[] y, int yAt, boolean add) {
      FloatVector low = FloatVector.zero(FLOATS);
      FloatVector high = FloatVector.zero(FLOATS);
      for (int k = 0; k < depth; k++) {
        FloatVector factor = FloatVector.broadcast(FLOATS, x[xAt + k]);
        low = FloatVector.fromArray(FLOATS, w, at + k * PANEL).fma(factor, low);
        high = FloatVector.fromArray(FLOATS, w, at + k * PANEL + LANES).fma(factor, high);
      }
      put(low, y, yAt, add);
      put(high, y, yAt + LANES, add);
    }

    private static void put(FloatVector sum, float[] y, int at, boolean add) {
      (add ? sum.add(FloatVector.fromArray(FLOATS, y, at)) : sum).intoArray(y, at);
    }
  }

  @Override
  public void pairsPanel(int[] rows, int[] starts, int in, float[] panel) {
    int perLane = in / LANES * PANEL;
    for (int r = 0; r < PANEL; r += LANES) {
      for (int i = 0; i < in / 2; i++) {
        IntVector pair = IntVector.fromArray(INTS, rows, i, starts, r);
        int to = i % LANES * perLane + i / LANES * 2 * PANEL + r;
        Rows.first(pair).intoArray(panel, to);
        Rows.second(pair).intoArray(panel, to + PANEL);
      }
    }
  }

  @Override
  public void floatsPanel(float[] rows, int[] starts, int in, float[] panel) {
    int perLane = in / LANES * PANEL;
    for (int r = 0; r < PANEL; r += LANES) {
      for (int k = 0; k < in; k++) {
        FloatVector.fromArray(FLOATS, rows, k, starts, r)
            .intoArray(panel, k % LANES * perLane + k / LANES * PANEL + r);
      }
    }
  }

  @Override
  public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
    FloatVector sums = FloatVector.zero(FLOATS);
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      sums =
          FloatVector.fromArray(FLOATS, a, aAt + i)
              .fma(FloatVector.fromArray(FLOATS, b, bAt + i), sums);
    }
    float sum = sums.reduceLanes(VectorOperators.ADD);
    for (; i < n; i++) {
      sum += a[aAt + i] * b[bAt + i];
    }
    return sum;
  }

  @Override
  public void addScaled(float factor, float[] x, int xAt, float[] y, int yAt, int n) {
    FloatVector factors = FloatVector.broadcast(FLOATS, factor);
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      FloatVector.fromArray(FLOATS, x, xAt + i)
          .fma(factors, FloatVector.fromArray(FLOATS, y, yAt + i))
          .intoArray(y, yAt + i);
    }
    for (; i < n; i++) {
      y[yAt + i] = Math.fma(x[xAt + i], factor, y[yAt + i]);
    }
  }

  @Override
  public void siluTimes(float[] gate, float[] up, int from, int to) {
    int i = from;
    for (; i <= to - LANES; i += LANES) {
      FloatVector g = FloatVector.fromArray(FLOATS, gate, i);
      FloatVector silu = g.div(exp(g.neg()).add(1));
      silu.mul(FloatVector.fromArray(FLOATS, up, i)).intoArray(gate, i);
    }
    for (; i < to; i++) {
      gate[i] = gate[i] / (1 + (float) Math.exp(-gate[i])) * up[i];
    }
  }

  @Override
  public float scaled(float[] x, int at, int n, float factor) {
    FloatVector largest = FloatVector.broadcast(FLOATS, Float.NEGATIVE_INFINITY);
    int i = at;
    for (; i <= at + n - LANES; i += LANES) {
      FloatVector scaled = FloatVector.fromArray(FLOATS, x, i).mul(factor);
      scaled.intoArray(x, i);
      largest = largest.max(scaled);
    }
    float max = largest.reduceLanes(VectorOperators.MAX);
    for (; i < at + n; i++) {
      x[i] *= factor;
      max = Math.max(max, x[i]);
    }
    return max;
  }

  @Override
  public float exponentials(float[] x, int at, int n, float max) {
    FloatVector sums = FloatVector.zero(FLOATS);
    int i = at;
    for (; i <= at + n - LANES; i += LANES) {
      FloatVector values = exp(FloatVector.fromArray(FLOATS, x, i).sub(max));
      values.intoArray(x, i);
      sums = sums.add(values);
    }
    float sum = sums.reduceLanes(VectorOperators.ADD);
    for (; i < at + n; i++) {
      x[i] = (float) Math.exp(x[i] - max);
      sum += x[i];
    }
    return sum;
  }

  /**
   * {@code 2^k * e^f}, the polynomial that of Cephes' expf: two units in the last place. The API's
   * own EXP is another function compiled than interpreted.
   */
  private static FloatVector exp(FloatVector x) {
    FloatVector bounded = x.max(-87f).min(88f);
    // Adding 1.5 * 2^23 rounds to a whole number, which then is the low bits.
    FloatVector shifted = bounded.mul(1.44269504f).add(12582912f);
    FloatVector k = shifted.sub(12582912f);
    FloatVector f = k.mul(-0.693359375f).add(bounded).add(k.mul(2.12194440e-4f));
    FloatVector p = FloatVector.broadcast(FLOATS, 1.9875691500e-4f);
    p = p.fma(f, FloatVector.broadcast(FLOATS, 1.3981999507e-3f));
    p = p.fma(f, FloatVector.broadcast(FLOATS, 8.3334519073e-3f));
    p = p.fma(f, FloatVector.broadcast(FLOATS, 4.1665795894e-2f));
    p = p.fma(f, FloatVector.broadcast(FLOATS, 1.6666665459e-1f));
    p = p.fma(f, FloatVector.broadcast(FLOATS, 5.0000001201e-1f));
    FloatVector value = p.mul(f).fma(f, f).add(1);
    IntVector exponent =
        shifted
            .reinterpretAsInts()
            .sub(Float.floatToRawIntBits(12582912f))
            .lanewise(VectorOperators.LSHL, 23);
    return value.reinterpretAsInts().add(exponent).reinterpretAsFloats();
  }
}
