package org.sparkfinetune.spark.cluster;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.sparkfinetune.errors.RunFailure;

/**
 * One rank at a time in a JVM: libtorch's settings and DJL's gradient recording are the process's.
 * Kept in the system properties, because this class may be loaded more than once in an executor.
 */
final class RankLock implements AutoCloseable {
  private static final String KEY = "org.sparkfinetune.running-rank";

  private final String owner;

  private RankLock(String owner) {
    this.owner = owner;
  }

  /** Waits for a rank of a failed attempt that is still on its way out. */
  static RankLock acquire(String owner, Duration patience) {
    long start = System.nanoTime();
    while (true) {
      Object other = System.getProperties().putIfAbsent(KEY, owner);
      if (other == null) {
        return new RankLock(owner);
      }
      if (System.nanoTime() - start > patience.toNanos()) {
        throw new RunFailure(
            "This executor still runs %s after %s s, so %s cannot start in it."
                .formatted(other, patience.toSeconds(), owner));
      }
      pause();
    }
  }

  private static void pause() {
    try {
      TimeUnit.MILLISECONDS.sleep(100);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new RunFailure("Interrupted while waiting for another rank in this executor.", e);
    }
  }

  @Override
  public void close() {
    System.getProperties().remove(KEY, owner);
  }
}
