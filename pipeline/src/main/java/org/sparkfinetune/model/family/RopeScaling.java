package org.sparkfinetune.model.family;

/** How rotary frequencies are stretched for contexts longer than those trained on. */
public sealed interface RopeScaling {

  /** A frequency as it is used, in float32 as transformers computes it. */
  float scaled(float frequency);

  /** Positions that can be used for one of {@code max_position_embeddings}. */
  default double positionFactor() {
    return 1;
  }

  /** Frequencies as they are. */
  record None() implements RopeScaling {
    @Override
    public float scaled(float frequency) {
      return frequency;
    }
  }

  /** Every frequency divided by {@code factor}. */
  record Linear(double factor) implements RopeScaling {
    @Override
    public float scaled(float frequency) {
      return (float) (frequency / factor);
    }

    /** Configurations keep the number of positions that the model was trained on. */
    @Override
    public double positionFactor() {
      return factor;
    }
  }

  /**
   * Llama 3.1's: long wavelengths divided by {@code factor}, short ones kept, a smooth band between
   * (transformers' {@code _compute_llama3_parameters}).
   */
  record Llama3(
      double factor, double lowFreqFactor, double highFreqFactor, int originalMaxPositions)
      implements RopeScaling {
    @Override
    public float scaled(float frequency) {
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
}
