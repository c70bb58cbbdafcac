package org.sparkfinetune.model.family;

import java.util.Optional;

/**
 * What a layer's attention sees, and how positions turn its queries and keys.
 *
 * @param window a query sees so many tokens, its own the last; 0 for all before it
 * @param rope empty for a layer without positions (SmolLM3)
 */
public record LayerAttention(int window, Optional<Rope> rope) {

  /** All tokens before a query. */
  public static LayerAttention full(Rope rope) {
    return new LayerAttention(0, Optional.of(rope));
  }

  /**
   * Rotary position embedding (Su et al. 2021) in the rotate-half layout: pair i of a head turns by
   * {@code position * theta^(-2i / dimensions)}, scaled.
   *
   * @param dimensions of a head that turn; the rest stays
   */
  public record Rope(double theta, int dimensions, RopeScaling scaling) {

    /**
     * The frequency of each of the {@code dimensions / 2} pairs, in float32 as transformers
     * computes it.
     *
     * @param length tokens of the sample
     */
    public float[] frequencies(int length) {
      return scaling.frequencies(theta, dimensions, length);
    }
  }
}
