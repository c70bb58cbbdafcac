package org.sparkfinetune.inference.generate;

import java.util.Arrays;
import org.sparkfinetune.model.quant.Nf4Codec;
import org.sparkfinetune.model.quant.Nf4Codec.Nf4Lookup;
import org.sparkfinetune.model.safetensors.Floats;

/**
 * The definition, what a JVM without the module {@code jdk.incubator.vector} runs, and what others
 * begin with.
 */
final class ScalarKernels implements Kernels {
  private static final float[] NF4 = Nf4Lookup.values();

  private final int lanes;

  ScalarKernels() {
    this(8);
  }

  /**
   * @param lanes sums that run side by side and are added up in the end, as vectors have them
   */
  ScalarKernels(int lanes) {
    this.lanes = lanes;
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
    float[] sums = new float[rows];
    for (int t = 0; t < n; t++) {
      for (int r = 0; r < rows; r++) {
        sums[r] = add ? y[yAt + t * yStride + r] : 0;
      }
      for (int k = 0; k < depth; k++) {
        float factor = x[xAt + t * xStride + k];
        for (int r = 0; r < rows; r++) {
          sums[r] = Math.fma(w[wAt + k * PANEL + r], factor, sums[r]);
        }
      }
      System.arraycopy(sums, 0, y, yAt + t * yStride, rows);
    }
  }

  @Override
  public void pairColumns(int[] w, int depth, float[] x, int n, float[] y, int yAt, int yStride) {
    float[] sums = new float[PANEL];
    for (int t = 0; t < n; t++) {
      Arrays.fill(sums, 0);
      for (int k = 0; k < depth; k += 2) {
        float even = x[t * depth + k];
        float odd = x[t * depth + k + 1];
        for (int r = 0; r < PANEL; r++) {
          int pair = w[k / 2 * PANEL + r];
          float sum = Math.fma(Float.intBitsToFloat(pair << 16), even, sums[r]);
          sums[r] = Math.fma(Float.intBitsToFloat(pair & 0xffff0000), odd, sum);
        }
      }
      System.arraycopy(sums, 0, y, yAt + t * yStride, PANEL);
    }
  }

  @Override
  public void pack(float[] panel, int depth, int[] pairs, int at) {
    for (int i = 0; i < depth / 2 * PANEL; i++) {
      int from = i + i / PANEL * PANEL;
      int low = Float.floatToRawIntBits(panel[from]) >>> 16;
      pairs[at + i] = low | Float.floatToRawIntBits(panel[from + PANEL]) & 0xffff0000;
    }
  }

  @Override
  public void pairRows(
      int[] w, int at, int rows, int half, float[] even, float[] odd, float[] y, int yAt) {
    for (int r = 0; r < rows; r++) {
      float sum = 0;
      for (int i = 0; i < half; i++) {
        int pair = w[at + r * half + i];
        sum += Float.intBitsToFloat(pair << 16) * even[i];
        sum += Float.intBitsToFloat(pair & 0xffff0000) * odd[i];
      }
      y[yAt + r] = sum;
    }
  }

  @Override
  public void nf4(int[] codes, float[] scales, int depth, boolean rounded, float[] panel) {
    for (int k = 0; k < depth; k++) {
      for (int r = 0; r < PANEL; r++) {
        int eight = codes[k / 8 * PANEL + r];
        float scale = scales[k / Nf4Codec.BLOCK * PANEL + r];
        // The first of a byte's two is its high half.
        float value = NF4[eight >> 4 * (k % 8 ^ 1) & 15] * scale;
        panel[k * PANEL + r] = rounded ? bf16(value) : value;
      }
    }
  }

  /** Rounded to nearest even. */
  static float bf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    return Float.intBitsToFloat(bits + 0x7fff + (bits >>> 16 & 1) & 0xffff0000);
  }

  @Override
  public void pairs(int[] rows, int[] starts, int at, int depth, float[] panel) {
    for (int r = 0; r < PANEL; r++) {
      for (int i = 0; i < depth / 2; i++) {
        int pair = rows[starts[r] + at + i];
        panel[2 * i * PANEL + r] = Float.intBitsToFloat(pair << 16);
        panel[(2 * i + 1) * PANEL + r] = Float.intBitsToFloat(pair & 0xffff0000);
      }
    }
  }

  @Override
  public void floats(float[] rows, int[] starts, int at, int depth, float[] panel) {
    for (int r = 0; r < PANEL; r++) {
      for (int k = 0; k < depth; k++) {
        panel[k * PANEL + r] = rows[starts[r] + at + k];
      }
    }
  }

  @Override
  public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
    float[] sums = new float[lanes];
    int whole = n / lanes * lanes;
    for (int i = 0; i < whole; i++) {
      sums[i % lanes] = Math.fma(a[aAt + i], b[bAt + i], sums[i % lanes]);
    }
    float sum = sum(sums);
    for (int i = whole; i < n; i++) {
      sum += a[aAt + i] * b[bAt + i];
    }
    return sum;
  }

  private static float sum(float[] parts) {
    float sum = 0;
    for (float part : parts) {
      sum += part;
    }
    return sum;
  }

  @Override
  public void addScaled(float factor, float[] x, int xAt, float[] y, int yAt, int n) {
    for (int i = 0; i < n; i++) {
      y[yAt + i] = Math.fma(x[xAt + i], factor, y[yAt + i]);
    }
  }

  @Override
  public void siluTimes(float[] gate, float[] up, int from, int to) {
    int whole = from + (to - from) / lanes * lanes;
    for (int i = from; i < to; i++) {
      float exp = i < whole ? exp(-gate[i]) : (float) Math.exp(-gate[i]);
      gate[i] = gate[i] / (1 + exp) * up[i];
    }
  }

  @Override
  public void bfloat16(float[] x, int at, int n, short[] to) {
    for (int i = at; i < at + n; i++) {
      to[i] = Floats.floatToBf16(x[i]);
    }
  }

  @Override
  public int largest(float[] x, int at, int n) {
    int best = 0;
    for (int i = 1; i < n; i++) {
      if (x[at + i] > x[at + best]) {
        best = i;
      }
    }
    return best;
  }

  @Override
  public float scaled(float[] x, int at, int n, float factor) {
    float max = Float.NEGATIVE_INFINITY;
    for (int i = at; i < at + n; i++) {
      x[i] *= factor;
      max = Math.max(max, x[i]);
    }
    return max;
  }

  @Override
  public float exponentials(float[] x, int at, int n, float max) {
    float[] sums = new float[lanes];
    int whole = n / lanes * lanes;
    for (int i = 0; i < whole; i++) {
      x[at + i] = exp(x[at + i] - max);
      sums[i % lanes] += x[at + i];
    }
    float sum = sum(sums);
    for (int i = at + whole; i < at + n; i++) {
      x[i] = (float) Math.exp(x[i] - max);
      sum += x[i];
    }
    return sum;
  }

  /**
   * {@code 2^k * e^f}, the polynomial that of Cephes' expf: two units in the last place. The same
   * operations as {@link VectorKernels} has, one by one.
   */
  private static float exp(float x) {
    float bounded = Math.min(Math.max(x, -87f), 88f);
    // Adding 1.5 * 2^23 rounds to a whole number, which then is the low bits.
    float shifted = bounded * 1.44269504f + 12582912f;
    float k = shifted - 12582912f;
    float f = k * -0.693359375f + bounded + k * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = Math.fma(p, f, 1.3981999507e-3f);
    p = Math.fma(p, f, 8.3334519073e-3f);
    p = Math.fma(p, f, 4.1665795894e-2f);
    p = Math.fma(p, f, 1.6666665459e-1f);
    p = Math.fma(p, f, 5.0000001201e-1f);
    float value = Math.fma(p * f, f, f) + 1;
    int exponent = Float.floatToRawIntBits(shifted) - Float.floatToRawIntBits(12582912f) << 23;
    return Float.intBitsToFloat(Float.floatToRawIntBits(value) + exponent);
  }
}
