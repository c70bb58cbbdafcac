package org.sparkfinetune.inference.generate;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** {@link Kernels} on the Vector API. */
final class VectorKernels implements Kernels {
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Short> SHORTS =
      ShortVector.SPECIES_64.withShape(VectorShape.forBitSize(FLOATS.vectorBitSize() / 2));
  private static final int LANES = FLOATS.length();
  private static final int HIGH = 0xffff0000;

  /** Processors of narrower vectors gather and permute in software, slower than without vectors. */
  private static final boolean GATHERS = LANES >= 8;

  private final ScalarKernels scalar = new ScalarKernels(LANES);

  /** Threads may count over each other: nothing but time depends on it. */
  private long earlyWork;

  VectorKernels() {
    this(1 << 27);
  }

  /**
   * @param earlyWork so many first multiply-adds, or numbers decoded or mapped, go without vectors
   *     where that gives the same bits: before the JIT compiled it, an operation on vectors is a
   *     dozen calls, and with a small model an answer is over by then
   */
  VectorKernels(int earlyWork) {
    this.earlyWork = earlyWork;
  }

  private boolean countsAsEarly(long work) {
    if (earlyWork <= 0) {
      return false;
    }
    earlyWork -= work;
    return true;
  }

  @Override
  public String toString() {
    return FLOATS.vectorBitSize() + "-bit vectors";
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
    if (countsAsEarly((long) depth * rows * n)) {
      scalar.product(w, wAt, depth, rows, x, xAt, xStride, n, y, yAt, yStride, add);
      return;
    }
    for (int t = 0; t < n && !add; t++) {
      Arrays.fill(y, yAt + t * yStride, yAt + t * yStride + rows, 0);
    }
    int r = 0;
    for (; r + 2 * LANES <= rows; r += 2 * LANES) {
      columns(w, wAt + r, depth, x, xAt, xStride, n, y, yAt + r, yStride);
    }
    if (r < rows) {
      int width = 2 * LANES;
      float[] whole = new float[n * width];
      for (int t = 0; t < n; t++) {
        System.arraycopy(y, yAt + t * yStride + r, whole, t * width, rows - r);
      }
      columns(w, wAt + r, depth, x, xAt, xStride, n, whole, 0, width);
      for (int t = 0; t < n; t++) {
        System.arraycopy(whole, t * width, y, yAt + t * yStride + r, rows - r);
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
      int yStride) {
    int t = 0;
    for (; t + 4 <= n; t += 4) {
      int to = yAt + t * yStride;
      FloatTiles.columns4(w, at, depth, x, xAt + t * xStride, xStride, y, to, yStride);
    }
    for (; t < n; t++) {
      FloatTiles.column(w, at, depth, x, xAt + t * xStride, y, yAt + t * yStride);
    }
  }

  @Override
  public void pairColumns(int[] w, int depth, float[] x, int n, float[] y, int yAt, int yStride) {
    if (countsAsEarly((long) depth * PANEL * n)) {
      scalar.pairColumns(w, depth, x, n, y, yAt, yStride);
      return;
    }
    int t = 0;
    for (; t + 4 <= n; t += 4) {
      for (int r = 0; r < PANEL; r += 2 * LANES) {
        PairTiles.panelColumns4(w, r, depth, x, t * depth, y, yAt + t * yStride + r, yStride);
      }
    }
    for (; t < n; t++) {
      int r = 0;
      for (; r + 4 * LANES <= PANEL; r += 4 * LANES) {
        PairTiles.panelColumn4(w, r, depth, x, t * depth, y, yAt + t * yStride + r);
      }
      for (; r < PANEL; r += 2 * LANES) {
        PairTiles.panelColumn2(w, r, depth, x, t * depth, y, yAt + t * yStride + r);
      }
    }
  }

  @Override
  public void pack(float[] panel, int depth, int[] pairs, int at) {
    if (countsAsEarly(depth * PANEL)) {
      scalar.pack(panel, depth, pairs, at);
      return;
    }
    for (int i = 0; i < depth / 2 * PANEL; i += PANEL) {
      for (int r = i; r < i + PANEL; r += LANES) {
        IntVector low = FloatVector.fromArray(FLOATS, panel, r + i).reinterpretAsInts();
        FloatVector.fromArray(FLOATS, panel, r + i + PANEL)
            .reinterpretAsInts()
            .and(HIGH)
            .or(low.lanewise(VectorOperators.LSHR, 16))
            .intoArray(pairs, at + r);
      }
    }
  }

  @Override
  public void pairRows(
      int[] w, int at, int rows, int half, float[] even, float[] odd, float[] y, int yAt) {
    PairTiles.column(w, at, rows, half, even, odd, 0, y, yAt);
  }

  @Override
  public void nf4(int[] codes, float[] scales, int depth, boolean rounded, float[] panel) {
    if (!GATHERS || countsAsEarly(depth * PANEL)) {
      scalar.nf4(codes, scales, depth, rounded, panel);
    } else {
      VectorNf4.decode(codes, scales, depth, rounded, panel);
    }
  }

  @Override
  public void pairs(int[] rows, int[] starts, int at, int depth, float[] panel) {
    if (!GATHERS || countsAsEarly(depth * PANEL)) {
      scalar.pairs(rows, starts, at, depth, panel);
      return;
    }
    for (int r = 0; r < PANEL; r += LANES) {
      for (int i = 0; i < depth / 2; i++) {
        IntVector pair = IntVector.fromArray(INTS, rows, at + i, starts, r);
        int to = 2 * i * PANEL + r;
        pair.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(panel, to);
        pair.and(HIGH).reinterpretAsFloats().intoArray(panel, to + PANEL);
      }
    }
  }

  @Override
  public void floats(float[] rows, int[] starts, int at, int depth, float[] panel) {
    if (!GATHERS || countsAsEarly(depth * PANEL)) {
      scalar.floats(rows, starts, at, depth, panel);
      return;
    }
    for (int r = 0; r < PANEL; r += LANES) {
      for (int k = 0; k < depth; k++) {
        FloatVector.fromArray(FLOATS, rows, at + k, starts, r).intoArray(panel, k * PANEL + r);
      }
    }
  }

  @Override
  public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
    if (countsAsEarly(n)) {
      return scalar.dot(a, aAt, b, bAt, n);
    }
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
    if (countsAsEarly(n)) {
      scalar.addScaled(factor, x, xAt, y, yAt, n);
      return;
    }
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
    if (countsAsEarly(to - from)) {
      scalar.siluTimes(gate, up, from, to);
      return;
    }
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
  public void bfloat16(float[] x, int at, int n, short[] to) {
    if (countsAsEarly(n)) {
      scalar.bfloat16(x, at, n, to);
      return;
    }
    int i = at;
    for (; i <= at + n - LANES; i += LANES) {
      FloatVector floats = FloatVector.fromArray(FLOATS, x, i);
      IntVector bits = floats.reinterpretAsInts();
      IntVector sign = bits.lanewise(VectorOperators.ASHR, 31).and(0x8000);
      IntVector odd = bits.lanewise(VectorOperators.LSHR, 16).and(1);
      IntVector rounded = bits.add(odd).add(0x7fff).lanewise(VectorOperators.LSHR, 16);
      VectorMask<Integer> noNumber = floats.test(VectorOperators.IS_NAN).cast(INTS);
      ((ShortVector)
              rounded.blend(sign.or(0x7fc0), noNumber).convertShape(VectorOperators.I2S, SHORTS, 0))
          .intoArray(to, i);
    }
    scalar.bfloat16(x, i, at + n - i, to);
  }

  @Override
  public int largest(float[] x, int at, int n) {
    if (countsAsEarly(n)) {
      return scalar.largest(x, at, n);
    }
    int whole = n / LANES * LANES;
    FloatVector largest = FloatVector.broadcast(FLOATS, Float.NEGATIVE_INFINITY);
    for (int i = 0; i < whole; i += LANES) {
      largest = largest.max(FloatVector.fromArray(FLOATS, x, at + i));
    }
    float max = largest.reduceLanes(VectorOperators.MAX);
    for (int i = whole; i < n; i++) {
      max = Math.max(max, x[at + i]);
    }
    for (int i = 0; i < whole; i += LANES) {
      VectorMask<Float> equal = FloatVector.fromArray(FLOATS, x, at + i).eq(max);
      if (equal.anyTrue()) {
        return i + equal.firstTrue();
      }
    }
    // It is behind the last whole vector, or there is a not-a-number.
    return scalar.largest(x, at, n);
  }

  @Override
  public float scaled(float[] x, int at, int n, float factor) {
    if (countsAsEarly(n)) {
      return scalar.scaled(x, at, n, factor);
    }
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
    if (countsAsEarly(n)) {
      return scalar.exponentials(x, at, n, max);
    }
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
