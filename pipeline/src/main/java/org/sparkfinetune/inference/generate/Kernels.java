package org.sparkfinetune.inference.generate;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The loops in which decoding spends its time. A linear meets few columns or many.
 *
 * <p>With few, a row of weights lies along vectors: each lane sums the products of its own input
 * elements, and the lanes are added in their order. With many, rows are turned into panels: {@link
 * #PANEL} rows, those of one input element side by side, so that a vector holds as many outputs and
 * a decoded weight is used for all columns. A panel has the input elements of one lane after those
 * of another. So both ways add the same numbers in the same order, and an output is the same to the
 * last bit whatever is computed beside it.
 */
interface Kernels {
  /** Rows of a panel. */
  int PANEL = 32;

  /** Panels of so many rows. */
  static int panels(int rows) {
    return (rows + PANEL - 1) / PANEL;
  }

  /** Lanes of a vector. */
  int lanes();

  /** How a row of weights lies along vectors. */
  enum Form {
    /** Two neighbouring bf16 in an int, the first in its low half; a lane is an int. */
    PAIRS(2),
    /** Float32; a lane is one. */
    FLOATS(1);

    private final int perLane;

    Form(int perLane) {
      this.perLane = perLane;
    }

    /** Input elements of whole vectors. */
    int padded(int in, int lanes) {
      int vector = perLane * lanes;
      return (in + vector - 1) / vector * vector;
    }

    /**
     * Where an input element stands among those that are sorted by lanes.
     *
     * @param padded number of input elements
     */
    int sorted(int element, int padded, int lanes) {
      int word = element / perLane;
      return word % lanes * (padded / lanes) + word / lanes * perLane + element % perLane;
    }
  }

  /**
   * {@code y[yAt + t * yStride + r] = w[r] · x[t]} for n columns t and bf16 weights.
   *
   * @param w (rows, half)
   * @param half ints of a row, whole vectors
   * @param x (n, half) the even elements, and from {@code oddAt} on as many odd ones
   */
  void pairs(
      int[] w, int rows, int half, float[] x, int oddAt, int n, float[] y, int yAt, int yStride);

  /** The same for float32 weights (rows, in) and x (n, in), whole vectors. */
  void floats(float[] w, int rows, int in, float[] x, int n, float[] y, int yAt, int yStride);

  /**
   * {@code y[yAt + t * yStride + r] = sum over k of w[wAt + k * PANEL + r] * x[xAt + t * xStride +
   * k]}, one multiply-add after the other, for n columns t, r below {@code rows} and k below {@code
   * depth}.
   *
   * @param w a panel, whole also where fewer rows count
   * @param add to what y holds
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
   * A panel of bf16, sorted as PAIRS.
   *
   * @param starts where each row of the panel begins in {@code rows}
   * @param in whole vectors
   */
  void pairsPanel(int[] rows, int[] starts, int in, float[] panel);

  /** The same of float32, sorted as FLOATS. */
  void floatsPanel(float[] rows, int[] starts, int in, float[] panel);

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
