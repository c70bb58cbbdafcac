package org.sparkfinetune.engine.exchange;

import java.util.Map;

/**
 * What an exchange moved since it was opened.
 *
 * @param bytes per kind; a kind that did not occur is 0
 * @param secondsWaited time callers spent in {@link Exchange#await} and {@link Exchange#sum}
 */
public record ExchangeStats(Map<Traffic, Long> bytes, double secondsWaited) {
  public ExchangeStats {
    bytes = Map.copyOf(bytes);
  }

  public long bytes(Traffic kind) {
    return bytes.getOrDefault(kind, 0L);
  }
}
