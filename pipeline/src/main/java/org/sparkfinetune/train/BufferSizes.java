package org.sparkfinetune.train;

import org.sparkfinetune.llama.LlamaConfig;

/**
 * Sizes that the trainer gives its buffers, in one place, because a plan of its memory needs them
 * too.
 */
public final class BufferSizes {
  private static final int LEAST_BATCH_TOKENS = 512;
  private static final int MOST_BATCH_TOKENS = 1024;

  /** Numbers in a layer's widest tensor. */
  private static final int WIDEST = 1 << 22;

  /** Memory for what layers keep is taken in blocks of this size. */
  public static final long ACTIVATION_BLOCK_BYTES = 64 << 20;

  /** Token batches that an evaluation takes through the layers together. */
  public static final int EVALUATED_BATCHES = 8;

  /** Flat gradients that are on their way while backward goes on. */
  public static final int GRADIENTS_UNDER_WAY = 2;

  /** Bytes of a frozen head that are decoded at a time. */
  public static final long HEAD_WEIGHT_BYTES = 16 << 20;

  /** Bytes of float32 logits that exist at a time: larger chunks leave the cache. */
  public static final long LOGITS_BYTES = 16 << 20;

  /** Rows of a frozen head that are decoded at a time, at least. */
  public static final int LEAST_HEAD_ROWS = 256;

  private BufferSizes() {}

  /**
   * Tokens that go through a layer together. The more, the faster are the products of narrow
   * layers, and the more memory a layer's activations take.
   */
  public static int batchTokens(LlamaConfig model) {
    int tokens = WIDEST / model.intermediateSize();
    return Math.max(LEAST_BATCH_TOKENS, Math.min(tokens, MOST_BATCH_TOKENS));
  }
}
