package org.sparkfinetune.launch;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;

/**
 * Asks a store again that does not answer. Between two attempts nothing is lost by waiting: a store
 * that was away made the first one fail, and would end the run if the driver gave up as well.
 */
final class StorePatience {
  private static final Logger LOG = LoggerFactory.getLogger(StorePatience.class);

  private final Duration patience;
  private final Duration pause;

  StorePatience(Duration patience, Duration pause) {
    this.patience = patience;
    this.pause = pause;
  }

  /**
   * The answer.
   *
   * @throws RunFailure the question's own, when patience is at its end
   */
  <T> T ask(Supplier<T> question) {
    long start = System.nanoTime();
    while (true) {
      try {
        return question.get();
      } catch (RunFailure e) {
        if (System.nanoTime() - start + pause.toNanos() > patience.toNanos()) {
          throw e;
        }
        LOG.warn("{} Asking again for up to {} s.", e.getMessage(), patience.toSeconds());
        rest(e);
      }
    }
  }

  private void rest(RunFailure failure) {
    try {
      TimeUnit.NANOSECONDS.sleep(pause.toNanos());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw failure;
    }
  }
}
