package org.sparkfinetune.hub;

import java.io.IOException;
import java.time.Duration;
import org.sparkfinetune.errors.RunFailure;

/** Waits between attempts, and gives up after so many in a row that brought nothing. */
final class Retries {
  private final Patience patience;
  private int failures;

  Retries(Patience patience) {
    this.patience = patience;
  }

  /** Waits, or throws {@code e} again; {@code what} is for the log. */
  void failed(IOException e, String what) throws IOException {
    failures++;
    if (failures >= patience.attempts()) {
      throw e;
    }
    Duration pause = patience.pauseAfter(failures);
    if (e instanceof HubRefusal.Busy busy && busy.delay().compareTo(pause) > 0) {
      pause = busy.delay();
    }
    HubRepository.LOG.warn(
        "{}: {}; trying again in {} s", what, e.getMessage(), pause.toMillis() / 1000.0);
    try {
      Thread.sleep(pause.toMillis());
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new RunFailure("The download was cancelled.", interrupted);
    }
  }

  /** Something came, so patience begins anew. */
  void progressed() {
    failures = 0;
  }
}
