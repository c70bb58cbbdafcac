package org.sparkfinetune.inference.generate;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The loops in which decoding spends its time. Most work on panels: {@link #PANEL} rows of weights,
 * those of one input element side by side, so that a vector holds as many outputs and a decoded
 * weight serves all columns. An output is then one chain of multiply-adds over its inputs in their
 * order, whatever is computed beside it and however wide vectors are.
 *
 * <p>For one column alone making panels takes longer than using them: where they do not stay, rows
 * of weights lie along vectors, whose lanes are added at the end.
 */
interface Kernels {
  /** Rows of a panel. */
  int PANEL = 32;

  /** Input elements that are decoded at a time: a panel of 32 KiB, most of a first-level cache. */
  int DEPTH = 256;

  /** Panels of so many rows. */
  static int panels(int rows) {
    return (rows + PANEL - 1) / PANEL;
  }

  /**
   * {@code y[yAt + t * yStride + r] = sum over k of w[wAt + k * PANEL + r] * x[xAt + t * xStride +
   * k]}, one multiply-add after the other, for n columns t, r below {@code rows} and k below {@code
   * depth}.
   *
   * @param w a panel, whole also where fewer rows count
   * @param add whether sums begin with what y holds, so that parts of a depth give the same bits as
   *     the whole
   */
  void product(
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
      boolean add);

  /**
   * {@link #product} with a whole panel of {@link KeptPanels}, to the same bits.
   *
   * @param w a panel (depth / 2, PANEL)
   * @param x (n, depth)
   */
  void pairColumns(int[] w, int depth, float[] x, int n, float[] y, int yAt, int yStride);

  /**
   * Makes of a decoded panel of bf16 one of {@link KeptPanels}.
   *
   * @param panel (depth, PANEL)
   * @param depth even
   */
  void pack(float[] panel, int depth, int[] pairs, int at);

  /**
   * {@code y[yAt + r] = w[r] · x} for bf16 weights in pairs and one column.
   *
   * @param w row r at {@code [at + r * half, …)}, an int two neighbouring weights, the first low
   * @param even (half) the even elements of x
   * @param odd (half) the odd ones
   */
  void pairRows(int[] w, int at, int rows, int half, float[] even, float[] odd, float[] y, int yAt);

  /** The same for float32 weights (rows, in) and x (in). */
  default void floatRows(float[] w, int at, int rows, int in, float[] x, float[] y, int yAt) {
    for (int r = 0; r < rows; r++) {
      y[yAt + r] = dot(w, at + r * in, x, 0, in);
    }
  }

  /**
   * A panel of NF4: code times scale.
   *
   * @param codes ({@code depth / 8}, PANEL), eight of a row in an int, as the packed bytes hold
   *     them
   * @param scales ({@code depth / 64}, PANEL)
   * @param rounded to bf16, to nearest even
   * @param panel receives (depth, PANEL)
   */
  void nf4(int[] codes, float[] scales, int depth, boolean rounded, float[] panel);

  /**
   * A panel of bf16.
   *
   * @param rows two neighbours of a row in an int, the first in its low half
   * @param starts where each row of the panel begins in {@code rows}
   * @param at ints of a row before the first
   * @param depth input elements, even
   * @param panel receives (depth, PANEL)
   */
  void pairs(int[] rows, int[] starts, int at, int depth, float[] panel);

  /** The same of float32. */
  void floats(float[] rows, int[] starts, int at, int depth, float[] panel);

  /** {@code a · b} over n elements. */
  float dot(float[] a, int aAt, float[] b, int bAt, int n);

  /** {@code y += factor * x} over n elements. */
  void addScaled(float factor, float[] x, int xAt, float[] y, int yAt, int n);

  /** {@code gate = gate / (1 + exp(-gate)) * up} on {@code [from, to)}. */
  void siluTimes(float[] gate, float[] up, int from, int to);

  /** {@code gate = gelu(gate) * up} on {@code [from, to)}, by tanh, in float64. */
  default void geluTimes(float[] gate, float[] up, int from, int to) {
    for (int i = from; i < to; i++) {
      double x = gate[i];
      double inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
      gate[i] = (float) (0.5 * x * (1 + Math.tanh(inner))) * up[i];
    }
  }

  /** {@code to[i]} is x[i] as bf16, to nearest even, on {@code [at, at + n)}. */
  void bfloat16(float[] x, int at, int n, short[] to);

  /** Where the largest of {@code [at, at + n)} is, the first of equals; counted from {@code at}. */
  int largest(float[] x, int at, int n);

  /** {@code x *= factor} on {@code [at, at + n)}; gives the largest. */
  float scaled(float[] x, int at, int n, float factor);

  /** {@code x = exp(x - max)} on {@code [at, at + n)}; gives the sum. */
  float exponentials(float[] x, int at, int n, float max);

  /** Chooses the kernels once per JVM, on first use. */
  final class FastestKernels {
    private static final Logger LOG = LoggerFactory.getLogger(FastestKernels.class);
    private static final String MODULE = "jdk.incubator.vector";

    static final Kernels KERNELS = choose();

    private FastestKernels() {}

    private static Kernels choose() {
      if (ModuleLayer.boot().findModule(MODULE).isEmpty()) {
        LOG.warn(
            "This JVM was started without --add-modules {}: decoding runs scalar, several times"
                + " slower.",
            MODULE);
        return new ScalarKernels();
      }
      try {
        // By name, so that verifying this class never loads one that names the module.
        return Class.forName("org.sparkfinetune.inference.generate.VectorKernels")
            .asSubclass(Kernels.class)
            .getDeclaredConstructor()
            .newInstance();
      } catch (ReflectiveOperationException | LinkageError e) {
        LOG.warn("Decoding runs scalar, several times slower, because vectors failed: {}", e + "");
        return new ScalarKernels();
      }
    }
  }
}
