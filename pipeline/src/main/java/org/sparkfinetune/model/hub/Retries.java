package org.sparkfinetune.model.hub;

import dev.failsafe.Failsafe;
import dev.failsafe.FailsafeException;
import dev.failsafe.RetryPolicy;
import java.io.IOException;
import java.time.Duration;
import org.sparkfinetune.errors.RunFailure;

/** Tries again after a pause, and gives up after so many attempts in a row that brought nothing. */
final class Retries {
  private final Patience patience;
  private int failures;

  Retries(Patience patience) {
    this.patience = patience;
  }

  /** Work that may fail because of a hub or of the way to it. */
  interface Work<T> {
    T run() throws IOException;
  }

  /**
   * What the work gives.
   *
   * @param what for the log
   * @throws IOException the last attempt's
   */
  <T> T call(String what, Work<T> work) throws IOException {
    RetryPolicy<T> policy =
        RetryPolicy.<T>builder()
            .handleIf((result, e) -> e instanceof IOException && failures < patience.attempts())
            .withMaxAttempts(-1)
            .withDelayFn(context -> pauseAfter(context.getLastException()))
            .onRetryScheduled(
                retry ->
                    HubRepository.LOG.warn(
                        "{}: {}; trying again in {} s",
                        what,
                        HubRepository.reason(retry.getLastException()),
                        retry.getDelay().toMillis() / 1000.0))
            .build();
    try {
      return Failsafe.with(policy).get(() -> counted(work));
    } catch (FailsafeException e) {
      if (e.getCause() instanceof IOException failure) {
        throw failure;
      }
      throw new RunFailure("The download was cancelled.", e);
    }
  }

  private <T> T counted(Work<T> work) throws IOException {
    try {
      return work.run();
    } catch (IOException e) {
      failures++;
      throw e;
    }
  }

  private Duration pauseAfter(Throwable failure) {
    Duration pause = patience.pauseAfter(failures);
    return failure instanceof HubRefusal.Busy busy && busy.delay().compareTo(pause) > 0
        ? busy.delay()
        : pause;
  }

  /** Something came, so patience begins anew. */
  void progressed() {
    failures = 0;
  }
}
