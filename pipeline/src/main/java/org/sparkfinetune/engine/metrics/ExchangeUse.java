package org.sparkfinetune.engine.metrics;

import java.io.Serializable;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What one rank had of others, loading and checkpoints included.
 *
 * @param mappedBytes frozen weights read in other ranks' files on the same host: nothing moved
 * @param receivedBytes fetched over the network
 * @param sentBytes pushed over the network, or fetched from this rank
 * @param secondsWaited since the model was loaded, for bytes and for slower ranks
 */
public record ExchangeUse(
    long mappedBytes, long receivedBytes, long sentBytes, double secondsWaited)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  /** Of a rank that is alone. */
  public static final ExchangeUse NONE = new ExchangeUse(0, 0, 0, 0);

  /** What steps' time goes into, mostly. */
  public enum Bottleneck {
    COMPUTE,
    /** Waiting for bytes of other ranks, or for slower ranks. */
    EXCHANGE;

    /** As in files. */
    public String text() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Exchange, where more than half of the steps' time was waiting. */
  public Bottleneck bottleneck(Map<Phase, Double> seconds) {
    return waitedShare(seconds) > 0.5 ? Bottleneck.EXCHANGE : Bottleneck.COMPUTE;
  }

  /**
   * The part of the steps' time in which the rank waited for others.
   *
   * @param seconds of the rank's phases
   */
  public double waitedShare(Map<Phase, Double> seconds) {
    double steps =
        Stream.of(Phase.FORWARD, Phase.BACKWARD, Phase.EXCHANGE, Phase.OPTIMIZER)
            .mapToDouble(phase -> seconds.getOrDefault(phase, 0.0))
            .sum();
    return steps == 0 ? 0 : secondsWaited / steps;
  }
}
