package org.sparkfinetune.engine.train;

import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.model.family.LlamaConfig;

/**
 * Bytes that wait between a layer's forward and its backward, for one token, as {@code layer} in
 * {@code scripts.py} keeps them.
 */
public final class LayerActivations {
  private LayerActivations() {}

  /**
   * The layer's input.
   *
   * @param stored bytes of a number
   */
  public static long input(LlamaConfig model, int stored) {
    return (long) model.hiddenSize() * stored;
  }

  /**
   * What is kept beside it: q, k, v, attention, its sums, h, (2Q + 2K + H) numbers and a float32
   * for each head; then n1, n2, gate, up, (2H + 2I) numbers.
   *
   * @param compute bytes of a number
   */
  public static long rest(LlamaConfig model, int compute, LayerKeep keep) {
    long hidden = model.hiddenSize();
    long queries = (long) model.numAttentionHeads() * model.headDim();
    long keys = (long) model.numKeyValueHeads() * model.headDim();
    long attended =
        (2 * queries + 2 * keys + hidden) * compute
            + (long) Float.BYTES * model.numAttentionHeads();
    return switch (keep) {
      case NOTHING -> 0;
      case ATTENTION -> attended;
      case EVERYTHING -> attended + (2 * hidden + 2L * model.intermediateSize()) * compute;
    };
  }
}
