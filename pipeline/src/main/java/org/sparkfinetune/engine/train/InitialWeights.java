package org.sparkfinetune.engine.train;

import org.sparkfinetune.engine.fsdp.WeightSource;

/**
 * LoRA's first values as PEFT draws them: A uniform in ±1/sqrt(in), B zero. Each element is a
 * function of (seed, name, index), so every rank makes its own slice and any number of ranks the
 * same weights.
 */
final class InitialWeights implements WeightSource {
  private final long seed;
  private final java.util.function.ToLongFunction<String> inFeatures;

  /**
   * @param inFeatures of the tensor named
   */
  InitialWeights(long seed, java.util.function.ToLongFunction<String> inFeatures) {
    this.seed = seed;
    this.inFeatures = inFeatures;
  }

  @Override
  public void read(String name, long first, float[] out, int count) {
    if (!name.endsWith(".lora_A.weight")) {
      java.util.Arrays.fill(out, 0, count, 0);
      return;
    }
    double bound = 1 / Math.sqrt(inFeatures.applyAsLong(name));
    long key = mix(seed ^ mix(name.hashCode()));
    for (int i = 0; i < count; i++) {
      double unit = (mix(key + (first + i) * 0x9E3779B97F4A7C15L) >>> 11) * 0x1p-53;
      out[i] = (float) ((2 * unit - 1) * bound);
    }
  }

  /** SplitMix64's finaliser. */
  private static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
