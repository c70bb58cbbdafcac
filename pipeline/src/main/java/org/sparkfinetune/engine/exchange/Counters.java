package org.sparkfinetune.engine.exchange;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** The running numbers behind {@link ExchangeStats}. */
final class Counters {
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
