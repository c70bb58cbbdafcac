package org.sparkfinetune.inference.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.sparkfinetune.inference.generate.Kernels.Form;
import org.sparkfinetune.inference.generate.Linear.Lora;

/**
 * Linears with a common input times n columns, all threads together. Columns lie behind one
 * another: x is (n, in), a result (n, out).
 */
final class LinearMath {
  /** Columns from which on a panel is worth its making. */
  private static final int FEW = 4;

  /** Weights of a tile of rows: decoded it stays in the first- or second-level cache. */
  private static final int TILE = 1 << 13;

  private static final int PARTS_PER_THREAD = 4;
  private static final float[] NO_GAIN = {};

  private final Kernels kernels;
  private final SpinningPool pool;
  private float[] low = new float[0];
  private final Map<Form, float[]> arranged = new EnumMap<>(Form.class);

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
    int[] lowAt = lowRank(linears, x, n);
    arranged.clear();
    for (Linear linear : linears) {
      arranged.computeIfAbsent(
          linear.matrix().form(), form -> arranged(form, linear.matrix(), x, n));
    }
    List<Part> parts = parts(linears);
    pool.run(
        parts.size(),
        i -> {
          Part part = parts.get(i);
          Linear linear = linears.get(part.linear());
          float[] y = results.get(part.linear());
          if (n < FEW) {
            few(linear.matrix(), part, n, y);
          } else {
            many(linear.matrix(), part, n, y);
          }
          finish(linear, part, lowAt[part.linear()], n, y);
        });
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
    int r = lora.r();
    int in = lora.in();
    pool.run(
        (n + block - 1) / block,
        i -> {
          int t = i * block;
          int columns = Math.min(block, n - t);
          product(lora.a(), 0, r, in, x, t * in, columns, low, to + t * r, r, false);
        });
  }

  /** Whole panels, but for the last of a linear. */
  private List<Part> parts(List<Linear> linears) {
    int rows = linears.stream().mapToInt(Linear::out).sum();
    int panels = Math.max(1, rows / (PARTS_PER_THREAD * pool.threads() * Kernels.PANEL));
    int size = panels * Kernels.PANEL;
    List<Part> parts = new ArrayList<>();
    for (int i = 0; i < linears.size(); i++) {
      int out = linears.get(i).out();
      for (int from = 0; from < out; from += size) {
        parts.add(new Part(i, from, Math.min(out, from + size)));
      }
    }
    return parts;
  }

  /**
   * x as the kernels want it. For few columns: of PAIRS all even elements, then all odd ones. For
   * many: sorted by lanes.
   */
  private float[] arranged(Form form, Matrix matrix, float[] x, int n) {
    int in = matrix.in();
    int padded = matrix.padded(kernels);
    float[] arranged = new float[n * padded];
    if (n >= FEW) {
      int[] places = new int[in];
      Arrays.setAll(places, k -> form.sorted(k, padded, kernels.lanes()));
      pool.run(
          n,
          t -> {
            for (int k = 0, at = t * padded; k < in; k++) {
              arranged[at + places[k]] = x[t * in + k];
            }
          });
    } else if (form == Form.PAIRS) {
      for (int t = 0; t < n; t++) {
        int even = t * padded / 2;
        int odd = n * padded / 2 + even;
        for (int i = 0; i < in / 2; i++) {
          arranged[even + i] = x[t * in + 2 * i];
          arranged[odd + i] = x[t * in + 2 * i + 1];
        }
      }
    } else {
      for (int t = 0; t < n; t++) {
        System.arraycopy(x, t * in, arranged, t * padded, in);
      }
    }
    return arranged;
  }

  private void few(Matrix matrix, Part part, int n, float[] y) {
    ThreadBuffers buffers = ThreadBuffers.ofThisThread();
    float[] x = Objects.requireNonNull(arranged.get(matrix.form()));
    int padded = matrix.padded(kernels);
    int tile = Math.max(4, TILE / padded & ~3);
    for (int row = part.from(); row < part.to(); row += tile) {
      int rows = Math.min(tile, part.to() - row);
      matrix.rows(row, rows, kernels, buffers);
      switch (matrix.form()) {
        case PAIRS ->
            kernels.pairs(
                buffers.ints(0), rows, padded / 2, x, n * padded / 2, n, y, row, matrix.out());
        case FLOATS -> kernels.floats(buffers.floats(0), rows, padded, x, n, y, row, matrix.out());
      }
    }
  }

  private void many(Matrix matrix, Part part, int n, float[] y) {
    ThreadBuffers buffers = ThreadBuffers.ofThisThread();
    float[] x = Objects.requireNonNull(arranged.get(matrix.form()));
    int padded = matrix.padded(kernels);
    int depth = padded / kernels.lanes();
    for (int row = part.from(); row < part.to(); row += Kernels.PANEL) {
      int rows = Math.min(Kernels.PANEL, part.to() - row);
      matrix.panel(row, rows, kernels, buffers);
      float[] panel = buffers.panel(0);
      for (int k = 0; k < padded; k += depth) {
        kernels.product(
            panel, k * Kernels.PANEL, depth, rows, x, k, padded, n, y, row, matrix.out(), k > 0);
      }
    }
  }

  private void finish(Linear linear, Part part, int lowAt, int n, float[] y) {
    int from = part.from();
    int rows = part.to() - from;
    int out = linear.out();
    float[] gain = linear.lora().map(Lora::gain).orElse(NO_GAIN);
    for (int t = 0; t < n; t++) {
      int at = t * out + from;
      for (int i = 0; gain.length > 0 && i < rows; i++) {
        y[at + i] *= gain[from + i];
      }
      if (linear.bias().length > 0) {
        kernels.addScaled(1, linear.bias(), from, y, at, rows);
      }
    }
    if (linear.lora().isPresent()) {
      Lora lora = linear.lora().get();
      int r = lora.r();
      product(lora.scaledB(), from, part.to(), r, low, lowAt, n, y, from, out, true);
    }
  }

  /**
   * @param w panels
   * @param from a row, the first of a panel
   * @param x (n, depth)
   */
  private void product(
      float[] w,
      int from,
      int to,
      int depth,
      float[] x,
      int xAt,
      int n,
      float[] y,
      int yAt,
      int yStride,
      boolean add) {
    for (int row = from; row < to; row += Kernels.PANEL) {
      int rows = Math.min(Kernels.PANEL, to - row);
      kernels.product(
          w, row * depth, depth, rows, x, xAt, depth, n, y, yAt + row - from, yStride, add);
    }
  }
}
