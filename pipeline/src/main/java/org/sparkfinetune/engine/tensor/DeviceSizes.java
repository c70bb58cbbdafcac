package org.sparkfinetune.engine.tensor;

/**
 * How much goes through operators at a time. On a processor what is at hand should stay in its
 * cache; a GPU should be busy for longer than it takes to start a kernel, and has memory for that.
 *
 * @param leastBatchTokens that go through a layer together, if there are so many
 * @param mostBatchTokens the most of them
 * @param widestNumbers in a layer's widest tensor; between those two it decides
 * @param headWeightBytes of a frozen head that are decoded at a time
 * @param logitsBytes of float32 logits that exist at a time
 * @param activationBlockBytes in which memory is taken for what layers keep
 * @param optimizerElements of moments in 8 bits that are float32 at a time
 */
public record DeviceSizes(
    int leastBatchTokens,
    int mostBatchTokens,
    long widestNumbers,
    long headWeightBytes,
    long logitsBytes,
    long activationBlockBytes,
    long optimizerElements) {

  /** Of a processor: found by measuring; more or less is slower. */
  public static final DeviceSizes OF_CPU =
      new DeviceSizes(512, 1024, 1 << 22, 16 << 20, 16 << 20, 64 << 20, 1 << 18);

  /**
   * Of a GPU: products of 2,048 tokens and more reach its arithmetic, and 4,681 tokens of an 8B
   * model take about 2 GB inside a layer. A block holds what several layers keep of such a batch.
   * By arithmetic: nothing of it was measured.
   */
  public static final DeviceSizes OF_GPU =
      new DeviceSizes(2048, 16_384, 1 << 26, 256 << 20, 256 << 20, 512 << 20, 1 << 22);
}
