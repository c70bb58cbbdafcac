package org.sparkfinetune.inference.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.inference.generate.Linear.Lora;
import org.sparkfinetune.inference.generate.Matrix.Form;

/**
 * Linears with a common input times n columns, all threads together. Columns lie behind one
 * another: x is (n, in), a result (n, out).
 */
final class LinearMath implements AutoCloseable {
  /** Weights of a tile of rows: decoded it stays in the first- or second-level cache. */
  private static final int TILE = 1 << 13;

  private static final int PARTS_PER_THREAD = 4;
  private static final float[] NO_GAIN = {};

  private final Kernels kernels;
  private final SpinningPool pool;
  private final Decoding decoding;
  private final Optional<PackedProducts> packed;
  private final GrowingFloats low = new GrowingFloats();
  private final GrowingFloats even = new GrowingFloats();
  private final GrowingFloats odd = new GrowingFloats();

  /** What is done with weights that are decoded. */
  enum Decoding {
    /** Panels of bf16 stay in the heap. */
    ONCE,
    /** To the same bits; nothing stays. */
    EACH_TIME,
    /** The same, but a single column meets rows, which takes less and is rounded otherwise. */
    EACH_TIME_BY_ROWS
  }

  /**
   * @param decoding of linears that are not packed
   * @param packed on the same pool; closed with this
   */
  LinearMath(
      Kernels kernels, SpinningPool pool, Decoding decoding, Optional<PackedProducts> packed) {
    this.kernels = kernels;
    this.pool = pool;
    this.decoding = decoding;
    this.packed = packed;
  }

  /** Rows {@code [from, to)} of one of the linears. */
  private record Part(int linear, int from, int to) {}

  /**
   * @param x (n, in)
   * @param results for each linear (n, out)
   */
  void apply(List<Linear> linears, float[] x, int n, List<float[]> results) {
    int[] lowAt = lowRank(linears, x, n);
    if (packed.isPresent() && packed.get().apply(linears, x, n, results)) {
      finish(linears, lowAt, n, results);
      return;
    }
    boolean single = decoding == Decoding.EACH_TIME_BY_ROWS && n == 1;
    if (single) {
      splitPairs(x, linears.get(0).in());
    }
    List<Part> parts = parts(linears);
    pool.run(
        parts.size(),
        i -> {
          Part part = parts.get(i);
          Linear linear = linears.get(part.linear());
          float[] y = results.get(part.linear());
          if (single) {
            rows(linear.matrix(), part, x, y);
          } else {
            panels(linear.matrix(), part, x, n, y);
          }
          finish(linear, part, lowAt[part.linear()], n, y);
        });
  }

  /** What comes on top of products that are made. */
  private void finish(List<Linear> linears, int[] lowAt, int n, List<float[]> results) {
    if (linears.stream().noneMatch(Linear::isMoreThanProduct)) {
      return;
    }
    List<Part> parts = parts(linears);
    pool.run(
        parts.size(),
        i -> {
          int linear = parts.get(i).linear();
          finish(linears.get(linear), parts.get(i), lowAt[linear], n, results.get(linear));
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
    float[] results = low.of(size);
    for (int i = 0; i < at.length; i++) {
      int to = at[i];
      linears.get(i).lora().ifPresent(lora -> lowRank(lora, x, n, results, to));
    }
    return at;
  }

  private void lowRank(Lora lora, float[] x, int n, float[] y, int to) {
    int block = Math.max(8, (n + pool.threads() - 1) / pool.threads());
    int r = lora.r();
    int in = lora.in();
    pool.run(
        (n + block - 1) / block,
        i -> {
          int t = i * block;
          int columns = Math.min(block, n - t);
          product(lora.a(), 0, r, in, x, t * in, columns, y, to + t * r, r, false);
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

  private void splitPairs(float[] x, int in) {
    float[] evens = even.of(in / 2);
    float[] odds = odd.of(in / 2);
    for (int i = 0; i < in / 2; i++) {
      evens[i] = x[2 * i];
      odds[i] = x[2 * i + 1];
    }
  }

  private void rows(Matrix matrix, Part part, float[] x, float[] y) {
    ThreadBuffers buffers = ThreadBuffers.ofThisThread();
    int in = matrix.in();
    int tile = Math.max(4, TILE / in & ~3);
    for (int row = part.from(); row < part.to(); row += tile) {
      int rows = Math.min(tile, part.to() - row);
      int at = matrix.rows(row, rows, buffers);
      switch (matrix.form()) {
        case PAIRS ->
            kernels.pairRows(buffers.ints(0), at, rows, in / 2, even.of(0), odd.of(0), y, row);
        case FLOATS -> kernels.floatRows(buffers.floats(0), at, rows, in, x, y, row);
      }
    }
  }

  private void panels(Matrix matrix, Part part, float[] x, int n, float[] y) {
    boolean keeps = decoding == Decoding.ONCE && matrix.form() == Form.PAIRS;
    ThreadBuffers buffers = ThreadBuffers.ofThisThread();
    for (int row = part.from(); row < part.to(); row += Kernels.PANEL) {
      int rows = Math.min(Kernels.PANEL, part.to() - row);
      if (keeps) {
        int[] panel = matrix.kept().panel(matrix, row, kernels, buffers);
        kept(panel, matrix, row, rows, x, n, y);
      } else {
        matrix.read(row, rows, buffers);
        decoded(matrix, row, rows, x, n, y, buffers);
      }
    }
  }

  private void kept(int[] panel, Matrix matrix, int row, int rows, float[] x, int n, float[] y) {
    int in = matrix.in();
    int out = matrix.out();
    if (rows == Kernels.PANEL) {
      kernels.pairColumns(panel, in, x, n, y, row, out);
      return;
    }
    float[] whole = new float[n * Kernels.PANEL];
    kernels.pairColumns(panel, in, x, n, whole, 0, Kernels.PANEL);
    for (int t = 0; t < n; t++) {
      System.arraycopy(whole, t * Kernels.PANEL, y, t * out + row, rows);
    }
  }

  private void decoded(
      Matrix matrix, int row, int rows, float[] x, int n, float[] y, ThreadBuffers buffers) {
    int in = matrix.in();
    int out = matrix.out();
    for (int from = 0; from < in; from += Kernels.DEPTH) {
      int depth = Math.min(Kernels.DEPTH, in - from);
      matrix.decode(from, from + depth, kernels, buffers);
      kernels.product(buffers.panel(), 0, depth, rows, x, from, in, n, y, row, out, from > 0);
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
      product(lora.scaledB(), from, part.to(), r, low.of(0), lowAt, n, y, from, out, true);
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

  @Override
  public void close() {
    packed.ifPresent(PackedProducts::close);
  }
}
