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
   * @param growth of queries, once they are turned
   */
  public record Rope(double theta, int dimensions, RopeScaling scaling, QueryGrowth growth) {

    public Rope(double theta, int dimensions, RopeScaling scaling) {
      this(theta, dimensions, scaling, QueryGrowth.NONE);
    }

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

  /**
   * Queries far from a sample's beginning are multiplied by {@code 1 + beta ln(1 + floor(position /
   * positions))} (Llama 4, Ministral 3).
   *
   * @param beta 0 for none
   * @param positions up to which a query stays as it is
   */
  public record QueryGrowth(double beta, int positions) {
    public static final QueryGrowth NONE = new QueryGrowth(0, 1);

    public float factor(int position) {
      return (float) (1 + beta * Math.log1p(position / positions));
    }
  }
}
