package org.sparkfinetune.lease;

import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** Does the same again and again until it is closed, on a thread that keeps no process alive. */
public final class Heartbeat implements AutoCloseable {
  private final Duration period;
  private final ScheduledExecutorService timer;

  private Heartbeat(Duration period, ScheduledExecutorService timer) {
    this.period = period;
    this.timer = timer;
  }

  /** The first beat comes after a period. */
  public static Heartbeat start(String name, Duration period, Runnable beat) {
    ScheduledExecutorService timer =
        Executors.newSingleThreadScheduledExecutor(
            work -> {
              Thread thread = new Thread(work, name);
              thread.setDaemon(true);
              return thread;
            });
    var unused =
        timer.scheduleWithFixedDelay(
            beat, period.toMillis(), period.toMillis(), TimeUnit.MILLISECONDS);
    return new Heartbeat(period, timer);
  }

  /** No beat begins from now on; for a beat to call. */
  public void stop() {
    timer.shutdown();
  }

  /** Returns when no beat is under way: one could bring a file back that is to be deleted. */
  @Override
  public void close() {
    stop();
    try {
      timer.awaitTermination(period.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
