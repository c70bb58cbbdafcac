package org.sparkfinetune.engine.train;

import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.model.family.LlamaConfig;

/**
 * Rotary position embedding in the rotate-half layout of Hugging Face weights: angle of pair i at
 * position t is {@code t * theta^(-2i/D)}, in float32 as transformers computes it.
 */
final class RotaryEmbedding {
  private final float[] inverseFrequencies;

  RotaryEmbedding(LlamaConfig config) {
    this.inverseFrequencies = config.inverseFrequencies();
  }

  /** Cosines and sines for some positions. */
  record Angles(Tensor cos, Tensor sin) {}

  /** (N, 1, D) each, of type {@code type}, for N positions. */
  Angles angles(Scope scope, Ops ops, int[] positions, ElementType type) {
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
}
