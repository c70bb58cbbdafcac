package org.sparkfinetune.train;

/**
 * Sizes that the trainer gives its buffers, in one place, because a plan of its memory needs them
 * too.
 */
public final class BufferSizes {
  /** Tokens that go through a layer together; bounds what a layer's activations take. */
  public static final int BATCH_TOKENS = 1024;

  /** Memory for what layers keep is taken in blocks of this size. */
  public static final long ACTIVATION_BLOCK_BYTES = 64 << 20;

  /** Token batches that an evaluation takes through the layers together. */
  public static final int EVALUATED_BATCHES = 8;

  /** Flat gradients that are on their way while backward goes on. */
  public static final int GRADIENTS_UNDER_WAY = 2;

  /** Bytes of a frozen head that are decoded at a time. */
  public static final long HEAD_WEIGHT_BYTES = 64 << 20;

  /** Bytes of float32 logits that exist at a time: larger chunks leave the cache. */
  public static final long LOGITS_BYTES = 32 << 20;

  /** Rows of a frozen head that are decoded at a time, at least. */
  public static final int LEAST_HEAD_ROWS = 256;

  private BufferSizes() {}
}
