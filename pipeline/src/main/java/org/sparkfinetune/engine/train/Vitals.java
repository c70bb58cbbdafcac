package org.sparkfinetune.engine.train;

import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.sparkfinetune.engine.metrics.Phase;

/** How rank 0 fares between two lines of the record: seconds by phase, and memory now. */
final class Vitals {
  private final PhaseClock clock;
  private Map<Phase, Double> before = new EnumMap<>(Phase.class);

  Vitals(PhaseClock clock) {
    this.clock = clock;
  }

  /** By TensorBoard's tag; on the thread that trains. */
  Map<String, Double> sinceLast() {
    Map<Phase, Double> now = clock.seconds();
    Map<String, Double> values = new LinkedHashMap<>();
    for (Phase phase : Phase.values()) {
      double seconds = now.getOrDefault(phase, 0.0) - before.getOrDefault(phase, 0.0);
      if (seconds > 0) {
        values.put("seconds/" + phase.text(), seconds);
      }
    }
    before = now;
    values.put("memory/anonymous_bytes", (double) RankMemory.anonymousBytes());
    return values;
  }
}
