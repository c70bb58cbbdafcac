package org.sparkfinetune.report;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.engine.metrics.AttemptEvent;
import org.sparkfinetune.engine.metrics.AttemptEvent.Kind;

/**
 * A start of the training.
 *
 * @param first the first step that it was to do
 * @param end how it ended; empty if its driver was killed, or it goes on
 */
record Attempt(Instant began, long first, Optional<AttemptEvent> end) {
  static List<Attempt> of(List<AttemptEvent> events) {
    List<Attempt> attempts = new ArrayList<>();
    for (AttemptEvent event : events) {
      int last = attempts.size() - 1;
      if (event.kind() == Kind.STARTED) {
        attempts.add(new Attempt(event.at(), event.step() + 1, Optional.empty()));
      } else if (last >= 0) {
        Attempt ended = attempts.get(last);
        attempts.set(last, new Attempt(ended.began(), ended.first(), Optional.of(event)));
      }
    }
    return attempts;
  }
}
