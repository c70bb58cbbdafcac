package org.sparkfinetune.engine.exchange;

import java.time.Duration;

/**
 * Counts what is being read of the memory that this rank lent to its exchange: values it published,
 * contributions on their way. The lender frees that memory, which no garbage collector guards, so
 * it has to know when nothing reads it any more.
 */
final class BorrowedMemory {
  private int readings;
  private boolean withdrawn;

  /** Begins to read what was published; false if it was withdrawn and must not be looked at. */
  synchronized boolean beginPublished() {
    readings += withdrawn ? 0 : 1;
    return !withdrawn;
  }

  /** Begins to send a contribution. */
  synchronized void beginPushed() {
    readings++;
  }

  /** Ends either. */
  synchronized void end() {
    readings--;
    notifyAll();
  }

  /**
   * What was published is not read any more from now on. Waits for all that is under way,
   * interrupted or not.
   *
   * @return whether all of them ended
   */
  boolean withdraw(Duration patience) {
    boolean interrupted = false;
    long end = System.nanoTime() + patience.toNanos();
    synchronized (this) {
      withdrawn = true;
      for (long left = patience.toNanos(); readings > 0 && left > 0; ) {
        try {
          // Rounded up: a wait of 0 has no end.
          wait(left / 1_000_000 + 1);
        } catch (InterruptedException e) {
          interrupted = true;
        }
        left = end - System.nanoTime();
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
      return readings == 0;
    }
  }
}
