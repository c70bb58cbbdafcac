package org.sparkfinetune.llama;

/** How rotary frequencies are stretched for contexts longer than those trained on. */
public sealed interface RopeScaling {

  /** Frequencies as they are. */
  record None() implements RopeScaling {}

  /** Every frequency divided by {@code factor}. */
  record Linear(double factor) implements RopeScaling {}

  /**
   * Llama 3.1's: long wavelengths divided by {@code factor}, short ones kept, a smooth band between
   * (transformers' {@code _compute_llama3_parameters}).
   */
  record Llama3(
      double factor, double lowFreqFactor, double highFreqFactor, int originalMaxPositions)
      implements RopeScaling {}
}
