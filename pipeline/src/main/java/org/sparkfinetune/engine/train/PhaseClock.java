package org.sparkfinetune.engine.train;

import java.util.EnumMap;
import java.util.Map;
import java.util.function.Supplier;
import org.sparkfinetune.engine.metrics.Summary.Phase;

/** Seconds a rank spends in each phase of a run; phases inside phases count for the inner one. */
final class PhaseClock {
  private final Map<Phase, Long> nanos = new EnumMap<>(Phase.class);
  private volatile Phase current = Phase.IDLE;
  private long since = System.nanoTime();

  <T> T in(Phase phase, Supplier<T> work) {
    Phase outer = change(phase);
    try {
      return work.get();
    } finally {
      change(outer);
    }
  }

  void in(Phase phase, Runnable work) {
    in(
        phase,
        () -> {
          work.run();
          return phase;
        });
  }

  private Phase change(Phase next) {
    long now = System.nanoTime();
    nanos.merge(current, now - since, Long::sum);
    since = now;
    Phase before = current;
    current = next;
    return before;
  }

  /** Where the rank is; any thread may ask. */
  Phase current() {
    return current;
  }

  Map<Phase, Double> seconds() {
    change(current);
    Map<Phase, Double> seconds = new EnumMap<>(Phase.class);
    for (Phase phase : Phase.values()) {
      seconds.put(phase, nanos.getOrDefault(phase, 0L) * 1e-9);
    }
    return seconds;
  }
}
