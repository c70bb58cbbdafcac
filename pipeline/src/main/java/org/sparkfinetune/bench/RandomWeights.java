package org.sparkfinetune.bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.sparkfinetune.model.safetensors.Floats;

/**
 * Normally distributed bf16 weights. Each is one of 65,536 equally likely quantiles, chosen by 16
 * bits of a counter-based generator (Steele et al. 2014, SplitMix64), so that four weights cost one
 * multiplication chain and any weight can be had without those before it.
 */
final class RandomWeights {
  private static final int QUANTILES = 1 << 16;
  private static final int PER_DRAW = 4;

  private final short[] quantiles = new short[QUANTILES];

  RandomWeights(double standardDeviation) {
    for (int i = 0; i < QUANTILES; i++) {
      double z = normalQuantile((i + 0.5) / QUANTILES);
      quantiles[i] = Floats.floatToBf16((float) (z * standardDeviation));
    }
  }

  /**
   * Fills {@code target} with weights {@code first}, {@code first + 1}, … of the tensor that {@code
   * seed} stands for.
   *
   * @param first a multiple of 4
   */
  void fill(ByteBuffer target, long seed, long first) {
    ByteBuffer out = target.order(ByteOrder.LITTLE_ENDIAN);
    long draw = first / PER_DRAW;
    while (out.remaining() >= PER_DRAW * Short.BYTES) {
      long bits = mix(seed + draw++ * 0x9e3779b97f4a7c15L);
      out.putShort(quantiles[(int) (bits & 0xffff)]);
      out.putShort(quantiles[(int) (bits >>> 16 & 0xffff)]);
      out.putShort(quantiles[(int) (bits >>> 32 & 0xffff)]);
      out.putShort(quantiles[(int) (bits >>> 48)]);
    }
    long bits = mix(seed + draw * 0x9e3779b97f4a7c15L);
    while (out.hasRemaining()) {
      out.putShort(quantiles[(int) (bits & 0xffff)]);
      bits >>>= 16;
    }
  }

  static long mix(long value) {
    long z = (value ^ value >>> 30) * 0xbf58476d1ce4e5b9L;
    z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
    return z ^ z >>> 31;
  }

  /** Acklam's rational approximation, relative error below 1.2e-9. StrictMath: equal everywhere. */
  private static double normalQuantile(double p) {
    if (p > 0.5) {
      return -normalQuantile(1 - p);
    }
    if (p < 0.02425) {
      double q = StrictMath.sqrt(-2 * StrictMath.log(p));
      return polynomial(
              q,
              -7.784894002430293e-3,
              -3.223964580411365e-1,
              -2.400758277161838,
              -2.549732539343734,
              4.374664141464968,
              2.938163982698783)
          / polynomial(
              q,
              7.784695709041462e-3,
              3.224671290700398e-1,
              2.445134137142996,
              3.754408661907416,
              1);
    }
    double q = p - 0.5;
    return q
        * polynomial(
            q * q,
            -3.969683028665376e1,
            2.209460984245205e2,
            -2.759285104469687e2,
            1.383577518672690e2,
            -3.066479806614716e1,
            2.506628277459239)
        / polynomial(
            q * q,
            -5.447609879822406e1,
            1.615858368580409e2,
            -1.556989798598866e2,
            6.680131188771972e1,
            -1.328068155288572e1,
            1);
  }

  private static double polynomial(double x, double... coefficients) {
    double value = 0;
    for (double coefficient : coefficients) {
      value = value * x + coefficient;
    }
    return value;
  }
}
