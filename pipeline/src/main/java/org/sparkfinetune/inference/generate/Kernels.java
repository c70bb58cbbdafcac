package org.sparkfinetune.inference.generate;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The loops in which decoding spends its time. A dot product is summed in an order that depends on
 * its length alone.
 */
interface Kernels {

  /**
   * {@code y[yAt + t * yStride + r] = w[r] · x[t]} for bf16 weights in pairs.
   *
   * @param w row r at {@code [at + r * half, …)}, an int two neighbouring weights, the first low
   * @param even (n, half) the even elements of x, from {@code xAt}
   * @param odd (n, half) the odd ones, from there too
   */
  void pairs(
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
      int yStride);

  /** The same for float32 weights (rows, in) and x (n, in). */
  void floats(
      float[] w,
      int at,
      int rows,
      int in,
      float[] x,
      int xAt,
      int n,
      float[] y,
      int yAt,
      int yStride);

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
