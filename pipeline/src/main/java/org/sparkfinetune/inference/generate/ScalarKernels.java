package org.sparkfinetune.inference.generate;

/** The definition, and what a JVM without the module {@code jdk.incubator.vector} runs. */
final class ScalarKernels implements Kernels {
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
    for (int t = 0; t < n; t++) {
      for (int r = 0; r < rows; r++) {
        float sum = 0;
        for (int i = 0; i < half; i++) {
          int pair = w[at + r * half + i];
          sum += Float.intBitsToFloat(pair << 16) * even[xAt + t * half + i];
          sum += Float.intBitsToFloat(pair & 0xffff0000) * odd[xAt + t * half + i];
        }
        y[yAt + t * yStride + r] = sum;
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
    for (int t = 0; t < n; t++) {
      for (int r = 0; r < rows; r++) {
        y[yAt + t * yStride + r] = dot(w, at + r * in, x, xAt + t * in, in);
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
  public float exponentials(float[] x, int at, int n, float max) {
    float sum = 0;
    for (int i = at; i < at + n; i++) {
      x[i] = (float) Math.exp(x[i] - max);
      sum += x[i];
    }
    return sum;
  }
}
