package org.sparkfinetune.engine.train;

import java.util.HashMap;
import java.util.Map;
import java.util.function.ToLongFunction;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.peft.AdapterConfig.Beginning;

/**
 * LoRA's first values as PEFT draws them ({@code init_lora_weights}; 0.21.2, {@code
 * reset_lora_parameters} and {@code orthogonal_init}). Each element is a function of (seed, name,
 * index), so every rank makes its own slice and any number of ranks the same weights.
 */
final class InitialAdapters implements WeightSource {
  private static final String A = ".lora_A.weight";
  private static final String B = ".lora_B.weight";
  private static final String BIAS_OF_B = ".lora_B.bias";
  private static final long STEP = 0x9E3779B97F4A7C15L;

  private final long seed;
  private final AdapterConfig lora;
  private final ToLongFunction<String> inFeatures;
  private final Map<Long, double[][]> orthogonal = new HashMap<>();

  /**
   * @param inFeatures of the module named
   */
  InitialAdapters(long seed, AdapterConfig lora, ToLongFunction<String> inFeatures) {
    this.seed = seed;
    this.lora = lora;
    this.inFeatures = inFeatures;
  }

  @Override
  public void read(String name, long first, float[] out, int count) {
    if (name.endsWith(BIAS_OF_B)) {
      readBias(name, first, out, count);
      return;
    }
    boolean isA = name.endsWith(A);
    String module = name.substring(0, name.length() - (isA ? A : B).length());
    long key = mix(seed ^ mix(name.hashCode()));
    int r = lora.ranks().rank(module);
    double wide = 1 / Math.sqrt(inFeatures.applyAsLong(module));
    for (int i = 0; i < count; i++) {
      long at = first + i;
      out[i] =
          (float)
              switch (lora.beginning()) {
                case KAIMING, EVA -> isA ? uniform(key, at) * wide : 0;
                case BOTH_UNIFORM -> uniform(key, at) * (isA ? wide : 1 / Math.sqrt(r));
                case GAUSSIAN -> isA ? normal(key, at) / r : 0;
                case ORTHOGONAL -> orthogonal(module, isA, key, at, r);
                case PISSA, OLORA -> throw new IllegalStateException(name + " is part of W");
              };
    }
  }

  /** Zeros; uniform as a linear layer's, where B is. */
  private void readBias(String name, long first, float[] out, int count) {
    String module = name.substring(0, name.length() - BIAS_OF_B.length());
    long key = mix(seed ^ mix(name.hashCode()));
    double wide =
        lora.beginning() == Beginning.BOTH_UNIFORM ? 1 / Math.sqrt(lora.ranks().rank(module)) : 0;
    for (int i = 0; i < count; i++) {
      out[i] = (float) (uniform(key, first + i) * wide);
    }
  }

  /**
   * With an orthogonal Q (r, r): A (r, in) is its even rows, transposed, times normal numbers (r/2,
   * in), B (out, r) normal numbers (out, r/2) times its odd rows, both a tenth.
   */
  private double orthogonal(String module, boolean isA, long key, long at, int r) {
    double[][] q = orthogonal.computeIfAbsent(mix(seed ^ mix(module.hashCode())), k -> q(k, r));
    long in = isA ? inFeatures.applyAsLong(module) : r;
    int k = (int) (isA ? at / in : at % r);
    long other = isA ? at % in : at / r;
    double sum = 0;
    for (int j = 0; j < r / 2; j++) {
      sum += normal(key, other * (r / 2) + j) * q[2 * j + (isA ? 0 : 1)][k];
    }
    return sum / 10;
  }

  /** Normal numbers made orthonormal row by row (Gram and Schmidt, twice for float64's sake). */
  private static double[][] q(long key, int r) {
    double[][] q = new double[r][r];
    for (int row = 0; row < r; row++) {
      for (int i = 0; i < r; i++) {
        q[row][i] = normal(key, (long) row * r + i);
      }
      for (int pass = 0; pass < 2; pass++) {
        for (int before = 0; before < row; before++) {
          add(q[row], q[before], -dot(q[row], q[before]));
        }
      }
      double length = Math.sqrt(dot(q[row], q[row]));
      for (int i = 0; i < r; i++) {
        q[row][i] /= length;
      }
    }
    return q;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  private static void add(double[] to, double[] what, double factor) {
    for (int i = 0; i < to.length; i++) {
      to[i] += factor * what[i];
    }
  }

  /** Normal numbers that follow a seed and a name. */
  static float[] normals(long seed, String name, int count) {
    long key = mix(seed ^ mix(name.hashCode()));
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) normal(key, i);
    }
    return values;
  }

  /** In [-1, 1). */
  private static double uniform(long key, long at) {
    return 2 * unit(key, at) - 1;
  }

  /** In [0, 1). */
  private static double unit(long key, long at) {
    return (mix(key + at * STEP) >>> 11) * 0x1p-53;
  }

  /** By Box and Muller from two independent numbers. */
  private static double normal(long key, long at) {
    double radius = Math.sqrt(-2 * Math.log(1 - unit(key, at)));
    return radius * Math.cos(2 * Math.PI * unit(mix(~key), at));
  }

  /** SplitMix64's finaliser. */
  private static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
