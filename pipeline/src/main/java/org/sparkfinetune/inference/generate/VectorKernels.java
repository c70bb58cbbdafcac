package org.sparkfinetune.inference.generate;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** {@link Kernels} on the Vector API; the matrix products are made of tiles. */
final class VectorKernels implements Kernels {
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = FLOATS.length();
  private static final int COLUMNS = 8;

  @Override
  public String toString() {
    return FLOATS.vectorBitSize() + "-bit vectors";
  }

  @Override
  public void pairs(
      int[] w,
      int at,
      int rows,
      int half,
      float[] even,
      float[] odd,
      int xAt,
      int n,
      float[] y,
      int yAt,
      int yStride) {
    // A block of columns stays in the first-level cache while all rows pass by.
    for (int block = 0; block < n; block += COLUMNS) {
      int end = Math.min(n, block + COLUMNS);
      int t = block;
      for (; t + 1 < end; t += 2) {
        int x = xAt + t * half;
        int to = yAt + t * yStride;
        int r = 0;
        for (; r + 1 < rows; r += 2) {
          PairTiles.rows2x2(w, at + r * half, half, even, odd, x, y, to + r, yStride);
        }
        if (r < rows) {
          PairTiles.rows1x1(w, at + r * half, half, even, odd, x, y, to + r);
          PairTiles.rows1x1(w, at + r * half, half, even, odd, x + half, y, to + yStride + r);
        }
      }
      if (t < end) {
        PairTiles.column(w, at, rows, half, even, odd, xAt + t * half, y, yAt + t * yStride);
      }
    }
  }

  @Override
  public void floats(
      float[] w,
      int at,
      int rows,
      int in,
      float[] x,
      int xAt,
      int n,
      float[] y,
      int yAt,
      int yStride) {
    for (int block = 0; block < n; block += COLUMNS) {
      int end = Math.min(n, block + COLUMNS);
      int r = 0;
      for (; r + 3 < rows; r += 4) {
        for (int t = block; t < end; t++) {
          FloatTiles.rows4x1(w, at + r * in, in, x, xAt + t * in, y, yAt + t * yStride + r);
        }
      }
      for (; r < rows; r++) {
        for (int t = block; t < end; t++) {
          y[yAt + t * yStride + r] = FloatTiles.dot(w, at + r * in, x, xAt + t * in, in);
        }
      }
    }
  }

  @Override
  public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
    return FloatTiles.dot(a, aAt, b, bAt, n);
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
  public float exponentials(float[] x, int at, int n, float max) {
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      exp(FloatVector.fromArray(FLOATS, x, at + i).sub(max)).intoArray(x, at + i);
    }
    for (; i < n; i++) {
      x[at + i] = (float) Math.exp(x[at + i] - max);
    }
    float sum = 0;
    for (int k = at; k < at + n; k++) {
      sum += x[k];
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

  /**
   * Products of one row, or of four, of float32 weights with a column; each row's sum is the same.
   */
  static final class FloatTiles {
    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = FLOATS.length();

    private FloatTiles() {}

    static void rows4x1(float[] w, int at, int in, float[] x, int xAt, float[] y, int yAt) {
      int at1 = at + in;
      int at2 = at1 + in;
      int at3 = at2 + in;
      FloatVector s0 = FloatVector.zero(FLOATS);
      FloatVector s1 = FloatVector.zero(FLOATS);
      FloatVector s2 = FloatVector.zero(FLOATS);
      FloatVector s3 = FloatVector.zero(FLOATS);
      int i = 0;
      for (; i <= in - LANES; i += LANES) {
        FloatVector v = FloatVector.fromArray(FLOATS, x, xAt + i);
        s0 = FloatVector.fromArray(FLOATS, w, at + i).fma(v, s0);
        s1 = FloatVector.fromArray(FLOATS, w, at1 + i).fma(v, s1);
        s2 = FloatVector.fromArray(FLOATS, w, at2 + i).fma(v, s2);
        s3 = FloatVector.fromArray(FLOATS, w, at3 + i).fma(v, s3);
      }
      y[yAt] = rest(s0, w, at, i, in, x, xAt);
      y[yAt + 1] = rest(s1, w, at1, i, in, x, xAt);
      y[yAt + 2] = rest(s2, w, at2, i, in, x, xAt);
      y[yAt + 3] = rest(s3, w, at3, i, in, x, xAt);
    }

    private static float rest(
        FloatVector sums, float[] w, int at, int from, int in, float[] x, int xAt) {
      float sum = sums.reduceLanes(VectorOperators.ADD);
      for (int i = from; i < in; i++) {
        sum += w[at + i] * x[xAt + i];
      }
      return sum;
    }

    static float dot(float[] a, int aAt, float[] b, int bAt, int n) {
      FloatVector sums = FloatVector.zero(FLOATS);
      int i = 0;
      for (; i <= n - LANES; i += LANES) {
        sums =
            FloatVector.fromArray(FLOATS, a, aAt + i)
                .fma(FloatVector.fromArray(FLOATS, b, bAt + i), sums);
      }
      return rest(sums, a, aAt, i, n, b, bAt);
    }
  }
}
