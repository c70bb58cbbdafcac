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
}
