package org.sparkfinetune.engine.metrics;

import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;

/**
 * What one rank used.
 *
 * @param peakRssBytes largest resident set, mapped files included
 * @param peakAnonymousBytes largest part of it that no file is behind
 * @param peakGpuBytes 0 on a CPU
 * @param shardBytes its share of the frozen weights, as stored
 * @param exchange what it had of other ranks
 * @param anonymousBytesByPhase the largest part that no file is behind, in each phase
 */
public record RankUse(
    int rank,
    String host,
    long peakRssBytes,
    long peakAnonymousBytes,
    long peakGpuBytes,
    long shardBytes,
    ExchangeUse exchange,
    Map<Phase, Long> anonymousBytesByPhase)
    implements java.io.Serializable {
  private static final long serialVersionUID = 1L;

  public RankUse {
    anonymousBytesByPhase = Collections.unmodifiableMap(new TreeMap<>(anonymousBytesByPhase));
  }

  /** Where nothing is known of other ranks and phases. */
  public RankUse(
      int rank,
      String host,
      long peakRssBytes,
      long peakAnonymousBytes,
      long peakGpuBytes,
      long shardBytes) {
    this(
        rank,
        host,
        peakRssBytes,
        peakAnonymousBytes,
        peakGpuBytes,
        shardBytes,
        ExchangeUse.NONE,
        Map.of());
  }
}
