package org.sparkfinetune.engine.train;

import org.sparkfinetune.engine.tensor.DeviceSizes;
import org.sparkfinetune.model.family.DecoderConfig;

/**
 * Sizes that the trainer gives its buffers, in one place, because a plan of its memory needs them
 * too; those that follow the device are {@link DeviceSizes}.
 */
public final class BufferSizes {
  /** Up to here lengths are rounded up to a power of two, beyond it to a multiple of it or more. */
  private static final int LENGTH_UNIT = 64;

  /** Rounding adds at most one part in so many. */
  private static final int LENGTHS_AN_OCTAVE = 16;

  /** Token batches that an evaluation takes through the layers together. */
  public static final int EVALUATED_BATCHES = 8;

  /** Flat gradients that are on their way while backward goes on. */
  public static final int GRADIENTS_UNDER_WAY = 2;

  /**
   * Compiled products of bfloat16 that oneDNN keeps, one for each shape: about 20 for a length of
   * {@link #padded}, and those of attention in blocks.
   */
  public static final int KERNELS = 512;

  /** Experts that are gathered together: all of a layer's would be as large as a model. */
  public static final int EXPERTS_TOGETHER = 4;

  /** Rows of a frozen head that are decoded at a time, at least. */
  public static final int LEAST_HEAD_ROWS = 256;

  private BufferSizes() {}

  /** Tokens whose logits exist at a time, where the whole head is there. */
  static int logitsTokens(int vocabulary, DeviceSizes sizes) {
    return (int) Math.max(16, sizes.logitsBytes() / Float.BYTES / vocabulary / 16 * 16);
  }

  /**
   * The length of tensors for so many tokens, from a small set. Libraries keep a kernel for every
   * shape that they meet, and memory that was used for one length fits the next: rows of real data
   * have ever new lengths.
   */
  public static int padded(int tokens) {
    if (tokens <= LENGTH_UNIT) {
      return tokens == 0 ? 0 : Math.max(16, Integer.highestOneBit(2 * tokens - 1));
    }
    int unit = Math.max(LENGTH_UNIT, Integer.highestOneBit(tokens) / LENGTHS_AN_OCTAVE);
    return (tokens + unit - 1) / unit * unit;
  }

  /**
   * Tokens that go through a layer together. The more, the faster are the products of narrow
   * layers, and the more memory a layer's activations take.
   */
  public static int batchTokens(DecoderConfig model, DeviceSizes sizes) {
    long tokens = sizes.widestNumbers() / model.activeIntermediateSize();
    return (int) Math.max(sizes.leastBatchTokens(), Math.min(tokens, sizes.mostBatchTokens()));
  }
}
