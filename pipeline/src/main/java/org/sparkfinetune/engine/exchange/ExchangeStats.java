package org.sparkfinetune.engine.exchange;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/**
 * What an exchange moved since it was opened.
 *
 * @param bytes per kind; a kind that did not occur is 0
 * @param secondsWaited time callers spent in {@link ProcessGroup#await} and {@link
 *     ProcessGroup#sum}
 */
public record ExchangeStats(Map<Traffic, Long> bytes, double secondsWaited) {
  public ExchangeStats {
    bytes = Map.copyOf(bytes);
  }

  public long bytes(Traffic kind) {
    return bytes.getOrDefault(kind, 0L);
  }

  /** The running numbers behind {@link ExchangeStats}. */
  static final class Counters {
    private final Map<Traffic, LongAdder> bytes = new EnumMap<>(Traffic.class);
    private final LongAdder nanosWaited = new LongAdder();

    Counters() {
      for (Traffic kind : Traffic.values()) {
        bytes.put(kind, new LongAdder());
      }
    }

    void moved(Traffic kind, long count) {
      LongAdder adder = bytes.get(kind);
      if (adder != null) {
        adder.add(count);
      }
    }

    void waited(long nanos) {
      nanosWaited.add(nanos);
    }

    ExchangeStats snapshot() {
      Map<Traffic, Long> sums = new EnumMap<>(Traffic.class);
      bytes.forEach((kind, adder) -> sums.put(kind, adder.sum()));
      return new ExchangeStats(sums, nanosWaited.sum() / 1e9);
    }
  }

  /** The kinds of bytes that {@link ExchangeStats} counts. */
  public enum Traffic {
    /** Frozen bytes of the own shard. */
    OWN,
    /** Frozen bytes of peers handed out as views of mapped files: nothing moved. */
    MAPPED,
    /** Frozen bytes fetched over the network. */
    FROZEN,
    /** Published values fetched from peers. */
    PUBLISHED,
    /** Contributions sent to peers, those of sums included. */
    PUSHED,
    /** Frozen bytes and published values that peers fetched from this rank. */
    SERVED
  }
}
