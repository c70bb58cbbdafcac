package org.sparkfinetune.model.hub;

import java.time.Duration;

/**
 * How long to go on with a hub that fails.
 *
 * @param attempts in a row without a byte more than before
 * @param pause after the first; it doubles with each
 * @param silence after which a connection counts as dead
 */
record Patience(int attempts, Duration pause, Duration silence) {
  static final Patience USUAL = new Patience(6, Duration.ofSeconds(1), Duration.ofSeconds(60));

  Duration pauseAfter(int failures) {
    return pause.multipliedBy(1L << Math.min(failures - 1, 10));
  }
}
