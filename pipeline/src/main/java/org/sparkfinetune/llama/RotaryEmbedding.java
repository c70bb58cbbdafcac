package org.sparkfinetune.llama;

import org.sparkfinetune.tensor.ElementType;
import org.sparkfinetune.tensor.Ops;
import org.sparkfinetune.tensor.Scope;
import org.sparkfinetune.tensor.Tensor;

/**
 * Rotary position embedding in the rotate-half layout of Hugging Face weights: angle of pair i at
 * position t is {@code t * theta^(-2i/D)}, in float32 as transformers computes it.
 */
public final class RotaryEmbedding {
  private final float[] inverseFrequencies;

  public RotaryEmbedding(LlamaConfig config) {
    this.inverseFrequencies = inverseFrequencies(config);
  }

  /** {@code theta^(-2i/D)}, scaled, for each of the D/2 pairs; a copy. */
  public float[] inverseFrequencies() {
    return inverseFrequencies.clone();
  }

  /** Cosines and sines for some positions. */
  public record Angles(Tensor cos, Tensor sin) {}

  /** (N, 1, D) each, of type {@code type}, for N positions. */
  public Angles angles(Scope scope, Ops ops, int[] positions, ElementType type) {
    int half = inverseFrequencies.length;
    float[] cos = new float[positions.length * half * 2];
    float[] sin = new float[cos.length];
    for (int t = 0; t < positions.length; t++) {
      for (int i = 0; i < half; i++) {
        float angle = positions[t] * inverseFrequencies[i];
        int at = t * half * 2 + i;
        cos[at] = (float) Math.cos(angle);
        sin[at] = (float) Math.sin(angle);
        cos[at + half] = cos[at];
        sin[at + half] = sin[at];
      }
    }
    return new Angles(
        tensor(scope, ops, cos, positions.length, type),
        tensor(scope, ops, sin, positions.length, type));
  }

  private static Tensor tensor(Scope scope, Ops ops, float[] values, int n, ElementType type) {
    Tensor plain = ops.ofFloats(scope, values, n, 1, n == 0 ? 1 : values.length / n);
    return type == ElementType.FLOAT32 ? plain : ops.cast(scope, plain, type);
  }

  private static float[] inverseFrequencies(LlamaConfig config) {
    float[] frequencies = new float[config.headDim() / 2];
    for (int i = 0; i < frequencies.length; i++) {
      float exponent = 2f * i / config.headDim();
      float plain = 1f / (float) Math.pow((float) config.ropeTheta(), exponent);
      frequencies[i] = scaled(plain, config.ropeScaling());
    }
    return frequencies;
  }

  private static float scaled(float frequency, RopeScaling scaling) {
    if (scaling instanceof RopeScaling.Linear linear) {
      return (float) (frequency / linear.factor());
    }
    if (scaling instanceof RopeScaling.Llama3 llama3) {
      return llama3(frequency, llama3);
    }
    return frequency;
  }

  private static float llama3(float frequency, RopeScaling.Llama3 scaling) {
    double wavelength = 2 * Math.PI / frequency;
    double lowWavelength = scaling.originalMaxPositions() / scaling.lowFreqFactor();
    double highWavelength = scaling.originalMaxPositions() / scaling.highFreqFactor();
    if (wavelength > lowWavelength) {
      return (float) (frequency / scaling.factor());
    }
    if (wavelength < highWavelength) {
      return frequency;
    }
    double smooth =
        (scaling.originalMaxPositions() / wavelength - scaling.lowFreqFactor())
            / (scaling.highFreqFactor() - scaling.lowFreqFactor());
    return (float) ((1 - smooth) * frequency / scaling.factor() + smooth * frequency);
  }
}
