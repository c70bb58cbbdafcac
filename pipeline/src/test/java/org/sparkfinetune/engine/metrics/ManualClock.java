package org.sparkfinetune.engine.metrics;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;

/** Time that passes when a test says so. */
public final class ManualClock implements InstantSource {

  private Instant now = Instant.ofEpochSecond(1_700_000_000);

  void pass(Duration time) {
    now = now.plus(time);
  }

  @Override
  public Instant instant() {
    return now;
  }
}
