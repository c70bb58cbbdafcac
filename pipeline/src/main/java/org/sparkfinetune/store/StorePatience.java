package org.sparkfinetune.store;

import dev.failsafe.Failsafe;
import dev.failsafe.FailsafeException;
import dev.failsafe.RetryPolicy;
import java.time.Duration;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.Sentence;

/**
 * Asks a store again that does not answer. Between two attempts nothing is lost by waiting: a store
 * that was away made the first one fail, and would end the run if the driver gave up as well.
 */
public final class StorePatience {
  private static final Logger LOG = LoggerFactory.getLogger(StorePatience.class);

  private final RetryPolicy<Object> policy;

  private StorePatience(RetryPolicy<Object> policy) {
    this.policy = policy;
  }

  public StorePatience(Duration patience, Duration pause) {
    this(
        RetryPolicy.builder()
            .handle(RunFailure.class)
            .withMaxAttempts(-1)
            .withDelay(pause)
            .withMaxDuration(patience)
            .onRetryScheduled(
                retry ->
                    LOG.warn(
                        "{} Asking again for up to {} s.",
                        Sentence.ended(String.valueOf(retry.getLastException().getMessage())),
                        patience.toSeconds()))
            .build());
  }

  /** Asks until there is an answer or the thread is interrupted, whatever the failure. */
  public static StorePatience endless(Duration pause) {
    return new StorePatience(
        RetryPolicy.builder()
            .handle(RuntimeException.class)
            .withMaxAttempts(-1)
            .withDelay(pause)
            .onRetryScheduled(
                retry -> {
                  if (retry.isFirstAttempt()) {
                    LOG.warn(
                        "{} Asking again until it works.",
                        Sentence.ended(String.valueOf(retry.getLastException().getMessage())));
                  }
                })
            .build());
  }

  /** Tells it something. */
  public void tell(Runnable news) {
    ask(
        () -> {
          news.run();
          return true;
        });
  }

  /**
   * The answer.
   *
   * @throws RunFailure the question's own, when patience is at its end
   */
  public <T> T ask(Supplier<T> question) {
    try {
      return Failsafe.with(policy).get(question::get);
    } catch (FailsafeException e) {
      throw new RunFailure("The driver was interrupted while it waited for a store.", e);
    }
  }
}
