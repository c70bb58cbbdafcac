package org.sparkfinetune.inference.generate;

import java.util.List;
import org.sparkfinetune.inference.generate.Linear.Lora;

/**
 * Linears with a common input times n columns, all threads together. Columns lie behind one
 * another: x is (n, in), a result (n, out).
 */
final class LinearMath {
  /** Weights of a tile: decoded it stays in the first- or second-level cache. */
  private static final int TILE = 1 << 13;

  private static final int PARTS_PER_THREAD = 4;
  private static final float[] NO_GAIN = {};

  private final Kernels kernels;
  private final SpinningPool pool;
  private float[] even = new float[0];
  private float[] odd = new float[0];
  private float[] low = new float[0];

  LinearMath(Kernels kernels, SpinningPool pool) {
    this.kernels = kernels;
    this.pool = pool;
  }

  /** Rows {@code [from, to)} of one of the linears. */
  private record Part(int linear, int from, int to) {}

  /**
   * @param x (n, in)
   * @param results for each linear (n, out)
   */
  void apply(List<Linear> linears, float[] x, int n, List<float[]> results) {
    int in = linears.get(0).in();
    splitPairs(x, n * in);
    int[] lowAt = lowRank(linears, x, n);
    List<Part> parts = parts(linears);
    pool.run(
        parts.size(),
        i -> {
          Part part = parts.get(i);
          Linear linear = linears.get(part.linear());
          float[] y = results.get(part.linear());
          rows(linear, part, x, n, y);
          finish(linear, part, lowAt[part.linear()], n, y);
        });
  }

  private void splitPairs(float[] x, int count) {
    if (even.length < (count + 1) / 2) {
      even = new float[(count + 1) / 2];
      odd = new float[even.length];
    }
    for (int i = 0; i < count / 2; i++) {
      even[i] = x[2 * i];
      odd[i] = x[2 * i + 1];
    }
  }

  /** {@code A x} of every linear that has LoRA; gives where each begins. */
  private int[] lowRank(List<Linear> linears, float[] x, int n) {
    int[] at = new int[linears.size()];
    int size = 0;
    for (int i = 0; i < at.length; i++) {
      at[i] = size;
      size += n * linears.get(i).lora().map(Lora::r).orElse(0);
    }
    if (low.length < size) {
      low = new float[size];
    }
    for (int i = 0; i < at.length; i++) {
      int to = at[i];
      linears.get(i).lora().ifPresent(lora -> lowRank(lora, x, n, to));
    }
    return at;
  }

  private void lowRank(Lora lora, float[] x, int n, int to) {
    int block = Math.max(8, (n + pool.threads() - 1) / pool.threads());
    pool.run(
        (n + block - 1) / block,
        i -> {
          int t = i * block;
          kernels.floats(
              lora.a(),
              0,
              lora.r(),
              lora.in(),
              x,
              t * lora.in(),
              Math.min(block, n - t),
              low,
              to + t * lora.r(),
              lora.r());
        });
  }

  private List<Part> parts(List<Linear> linears) {
    int rows = linears.stream().mapToInt(Linear::out).sum();
    int size = Math.max(16, rows / (PARTS_PER_THREAD * pool.threads()) + 3 & ~3);
    List<Part> parts = new java.util.ArrayList<>();
    for (int i = 0; i < linears.size(); i++) {
      int out = linears.get(i).out();
      for (int from = 0; from < out; from += size) {
        parts.add(new Part(i, from, Math.min(out, from + size)));
      }
    }
    return parts;
  }

  private void rows(Linear linear, Part part, float[] x, int n, float[] y) {
    Matrix matrix = linear.matrix();
    int in = linear.in();
    int out = linear.out();
    ThreadBuffers buffers = ThreadBuffers.ofThisThread();
    int tile = Math.max(4, TILE / in & ~3);
    for (int row = part.from(); row < part.to(); row += tile) {
      int rows = Math.min(tile, part.to() - row);
      int at = matrix.decode(row, rows, buffers);
      switch (matrix.form()) {
        case PAIRS ->
            kernels.pairs(buffers.pairs(0), at, rows, in / 2, even, odd, 0, n, y, row, out);
        case FLOATS -> kernels.floats(buffers.floats(0), at, rows, in, x, 0, n, y, row, out);
      }
    }
  }

  private void finish(Linear linear, Part part, int lowAt, int n, float[] y) {
    int rows = part.to() - part.from();
    for (int t = 0; t < n; t++) {
      int at = t * linear.out() + part.from();
      float[] gain = linear.lora().map(Lora::gain).orElse(NO_GAIN);
      for (int i = 0; gain.length > 0 && i < rows; i++) {
        y[at + i] *= gain[part.from() + i];
      }
      if (linear.bias().length > 0) {
        kernels.addScaled(1, linear.bias(), part.from(), y, at, rows);
      }
      if (linear.lora().isPresent()) {
        Lora lora = linear.lora().get();
        for (int k = 0; k < lora.r(); k++) {
          float factor = low[lowAt + t * lora.r() + k];
          kernels.addScaled(factor, lora.scaledB(), k * lora.out() + part.from(), y, at, rows);
        }
      }
    }
  }
}
