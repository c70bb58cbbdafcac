package org.sparkfinetune.inference.generate;

import java.util.Arrays;

/** The definition, and what a JVM without the module {@code jdk.incubator.vector} runs. */
final class ScalarKernels implements Kernels {
  @Override
  public int lanes() {
    return 1;
  }

  @Override
  public void pairs(
      int[] w, int rows, int half, float[] x, int oddAt, int n, float[] y, int yAt, int yStride) {
    for (int t = 0; t < n; t++) {
      for (int r = 0; r < rows; r++) {
        float sum = 0;
        for (int i = 0; i < half; i++) {
          int pair = w[r * half + i];
          sum += Float.intBitsToFloat(pair << 16) * x[t * half + i];
          sum += Float.intBitsToFloat(pair & 0xffff0000) * x[oddAt + t * half + i];
        }
        y[yAt + t * yStride + r] = sum;
      }
    }
  }

  @Override
  public void floats(
      float[] w, int rows, int in, float[] x, int n, float[] y, int yAt, int yStride) {
    for (int t = 0; t < n; t++) {
      for (int r = 0; r < rows; r++) {
        y[yAt + t * yStride + r] = dot(w, r * in, x, t * in, in);
      }
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
    float[] sums = new float[rows];
    for (int t = 0; t < n; t++) {
      Arrays.fill(sums, 0);
      for (int k = 0; k < depth; k++) {
        float factor = x[xAt + t * xStride + k];
        for (int r = 0; r < rows; r++) {
          sums[r] += w[wAt + k * PANEL + r] * factor;
        }
      }
      for (int r = 0; r < rows; r++) {
        y[yAt + t * yStride + r] = add ? y[yAt + t * yStride + r] + sums[r] : sums[r];
      }
    }
  }

  @Override
  public void pairsPanel(int[] rows, int[] starts, int in, float[] panel) {
    for (int r = 0; r < PANEL; r++) {
      for (int i = 0; i < in / 2; i++) {
        int pair = rows[starts[r] + i];
        panel[2 * i * PANEL + r] = Float.intBitsToFloat(pair << 16);
        panel[(2 * i + 1) * PANEL + r] = Float.intBitsToFloat(pair & 0xffff0000);
      }
    }
  }

  @Override
  public void floatsPanel(float[] rows, int[] starts, int in, float[] panel) {
    for (int r = 0; r < PANEL; r++) {
      for (int k = 0; k < in; k++) {
        panel[k * PANEL + r] = rows[starts[r] + k];
      }
    }
  }

  @Override
  public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
    float sum = 0;
    for (int i = 0; i < n; i++) {
      sum += a[aAt + i] * b[bAt + i];
    }
    return sum;
  }

  @Override
  public void addScaled(float factor, float[] x, int xAt, float[] y, int yAt, int n) {
    for (int i = 0; i < n; i++) {
      y[yAt + i] += factor * x[xAt + i];
    }
  }

  @Override
  public void siluTimes(float[] gate, float[] up, int from, int to) {
    for (int i = from; i < to; i++) {
      gate[i] = gate[i] / (1 + (float) Math.exp(-gate[i])) * up[i];
    }
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
    float sum = 0;
    for (int i = at; i < at + n; i++) {
      x[i] = (float) Math.exp(x[i] - max);
      sum += x[i];
    }
    return sum;
  }
}
