package org.sparkfinetune.model.family;

import java.util.List;

/**
 * How rotary frequencies are stretched for contexts longer than those trained on, with the
 * arithmetic of transformers' {@code modeling_rope_utils}. Where a factor depends on the length,
 * transformers takes the longest position of a whole forward; here it is each sample's own, so that
 * neither packing nor ranks change a number.
 */
public sealed interface RopeScaling {

  /** Frequencies of the {@code dimensions / 2} pairs for a sample of {@code length} tokens. */
  float[] frequencies(double theta, int dimensions, int length);

  /** What cosines and sines are multiplied with. */
  default double attentionFactor() {
    return 1;
  }

  /** Positions that can be used for one of {@code max_position_embeddings}. */
  default double positionFactor() {
    return 1;
  }

  /**
   * Samples of lengths with an equal regime have equal frequencies.
   *
   * @param length tokens of a sample
   */
  default int regime(int length) {
    return 0;
  }

  /**
   * Whether a sequence that is being decoded has to be read again when it has grown, because what
   * it was read with is no longer right. Only where that happens once; transformers does the same.
   */
  default boolean restarts(int before, int after) {
    return false;
  }

  /** {@code theta^(-2i / dimensions)}. */
  private static float[] plain(double theta, int dimensions) {
    float[] frequencies = new float[dimensions / 2];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = 1f / power(theta, i, dimensions);
    }
    return frequencies;
  }

  private static float power(double theta, int i, int dimensions) {
    return (float) Math.pow((float) theta, 2f * i / dimensions);
  }

  /** Frequencies as they are. */
  record None() implements RopeScaling {
    @Override
    public float[] frequencies(double theta, int dimensions, int length) {
      return plain(theta, dimensions);
    }
  }

  /** Every frequency divided by {@code factor}. */
  record Linear(double factor) implements RopeScaling {
    @Override
    public float[] frequencies(double theta, int dimensions, int length) {
      float[] frequencies = plain(theta, dimensions);
      for (int i = 0; i < frequencies.length; i++) {
        frequencies[i] = (float) (frequencies[i] / factor);
      }
      return frequencies;
    }

    /** Configurations keep the number of positions that the model was trained on. */
    @Override
    public double positionFactor() {
      return factor;
    }
  }

  /**
   * Theta grows with the sample, beyond the positions that the model was trained on (NTK-aware
   * scaling).
   */
  record Dynamic(double factor, int trainedPositions) implements RopeScaling {
    @Override
    public float[] frequencies(double theta, int dimensions, int length) {
      double stretch =
          factor * Math.max(length, trainedPositions) / trainedPositions - (factor - 1);
      double exponent = dimensions / (dimensions - 2.0);
      return plain(theta * Math.pow(stretch, exponent), dimensions);
    }

    @Override
    public double positionFactor() {
      return factor;
    }

    @Override
    public int regime(int length) {
      return Math.max(length, trainedPositions);
    }
  }

  /**
   * Llama 3.1's: long wavelengths divided by {@code factor}, short ones kept, a smooth band
   * between.
   */
  record Llama3(
      double factor, double lowFreqFactor, double highFreqFactor, int originalMaxPositions)
      implements RopeScaling {
    @Override
    public float[] frequencies(double theta, int dimensions, int length) {
      float[] frequencies = plain(theta, dimensions);
      for (int i = 0; i < frequencies.length; i++) {
        frequencies[i] = scaled(frequencies[i]);
      }
      return frequencies;
    }

    private float scaled(float frequency) {
      double wavelength = 2 * Math.PI / frequency;
      if (wavelength > originalMaxPositions / lowFreqFactor) {
        return (float) (frequency / factor);
      }
      if (wavelength < originalMaxPositions / highFreqFactor) {
        return frequency;
      }
      double smooth =
          (originalMaxPositions / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
      return (float) ((1 - smooth) * frequency / factor + smooth * frequency);
    }
  }

  /**
   * YaRN (Peng et al. 2023, arXiv:2309.00071): pairs that turn often keep their frequency, those
   * that turn seldom are divided by {@code factor}, with a ramp between.
   *
   * @param betaFast turns within the original positions from which on a pair is kept
   * @param betaSlow turns up to which it is divided
   * @param truncate whether the ramp begins and ends at whole pairs
   */
  record Yarn(
      double factor,
      int originalMaxPositions,
      double betaFast,
      double betaSlow,
      boolean truncate,
      double attentionFactor)
      implements RopeScaling {
    @Override
    public float[] frequencies(double theta, int dimensions, int length) {
      double low = pair(betaFast, theta, dimensions);
      double high = pair(betaSlow, theta, dimensions);
      if (truncate) {
        low = Math.floor(low);
        high = Math.ceil(high);
      }
      low = Math.max(low, 0);
      high = Math.min(high, dimensions - 1.0);
      double width = high == low ? 0.001 : high - low;
      float[] frequencies = new float[dimensions / 2];
      for (int i = 0; i < frequencies.length; i++) {
        float power = power(theta, i, dimensions);
        float kept = 1 - (float) Math.min(1, Math.max(0, (i - low) / width));
        frequencies[i] = 1f / ((float) factor * power) * (1 - kept) + 1f / power * kept;
      }
      return frequencies;
    }

    /** The pair, as a fraction, that turns so often within the original positions. */
    private double pair(double turns, double theta, int dimensions) {
      return dimensions
          * Math.log(originalMaxPositions / (turns * 2 * Math.PI))
          / (2 * Math.log(theta));
    }
  }

  /**
   * A factor of its own for each pair (Ding et al. 2024, arXiv:2402.13753), one list for samples up
   * to the original positions and one for longer ones.
   */
  record LongRope(
      List<Double> shortFactors,
      List<Double> longFactors,
      int originalMaxPositions,
      double attentionFactor)
      implements RopeScaling {
    public LongRope {
      shortFactors = List.copyOf(shortFactors);
      longFactors = List.copyOf(longFactors);
    }

    @Override
    public float[] frequencies(double theta, int dimensions, int length) {
      List<Double> factors = factors(length);
      float[] frequencies = new float[dimensions / 2];
      for (int i = 0; i < frequencies.length; i++) {
        frequencies[i] = 1f / (factors.get(i).floatValue() * power(theta, i, dimensions));
      }
      return frequencies;
    }

    private List<Double> factors(int length) {
      return regime(length) == 1 ? longFactors : shortFactors;
    }

    @Override
    public int regime(int length) {
      return length > originalMaxPositions ? 1 : 0;
    }

    @Override
    public boolean restarts(int before, int after) {
      return regime(before) != regime(after);
    }
  }
}
