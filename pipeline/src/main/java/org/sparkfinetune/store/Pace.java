package org.sparkfinetune.store;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * How often files are rewritten and looked at. Looks are counted, not time: a process that is
 * stopped for an hour between two looks has not watched for an hour.
 *
 * @param beat between two renewals by a writer
 * @param looks after which a file that has not changed belongs to the dead
 * @param pause what passes between two looks
 */
public record Pace(Duration beat, int looks, Pause pause) {
  private static final Duration LOOK = Duration.ofSeconds(1);

  /** A renewal every 10 s, and 60 looks, one a second. */
  public static final Pace USUAL =
      new Pace(Duration.ofSeconds(10), 60, () -> TimeUnit.MILLISECONDS.sleep(LOOK.toMillis()));

  /** Waits for the next look. */
  public interface Pause {
    void await() throws InterruptedException;
  }

  void await() throws IOException {
    try {
      pause.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while watching whether another process lives");
    }
  }
}
