package org.sparkfinetune.metrics;

/**
 * What one rank used.
 *
 * @param peakRssBytes largest resident set, mapped files included
 * @param peakAnonymousBytes largest part of it that no file is behind
 * @param peakGpuBytes 0 on a CPU
 * @param shardBytes its share of the frozen weights, as stored
 */
public record RankUse(
    int rank,
    String host,
    long peakRssBytes,
    long peakAnonymousBytes,
    long peakGpuBytes,
    long shardBytes)
    implements java.io.Serializable {
  private static final long serialVersionUID = 1L;
}
