package org.sparkfinetune.store;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.fs.FSError;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Does the same again and again until it is closed, on a thread that keeps no process alive. A beat
 * that fails is logged, and the next one comes: a store that was away may be back by then.
 */
public final class Heartbeat implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Heartbeat.class);

  /** A store that is away can hold a beat up for long. */
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final ScheduledExecutorService timer;

  private Heartbeat(ScheduledExecutorService timer) {
    this.timer = timer;
  }

  /** What is done again and again. */
  public interface Beat {
    void run() throws IOException;
  }

  /** The first beat comes after a period. */
  public static Heartbeat start(String name, Duration period, Beat beat) {
    ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(daemons(name));
    var unused =
        timer.scheduleWithFixedDelay(
            () -> run(name, beat), period.toMillis(), period.toMillis(), TimeUnit.MILLISECONDS);
    return new Heartbeat(timer);
  }

  /** Threads that keep no process alive. */
  public static ThreadFactory daemons(String name) {
    return work -> {
      Thread thread = new Thread(work, name);
      thread.setDaemon(true);
      return thread;
    };
  }

  private static void run(String name, Beat beat) {
    try {
      beat.run();
    } catch (IOException | RuntimeException | FSError e) {
      // FSError is what Hadoop's local file system makes of a write that fails.
      LOG.warn("{} could not be renewed; it is tried again: {}", name, e.toString());
    }
  }

  /** No beat begins from now on; for a beat to call. */
  public void stop() {
    timer.shutdown();
  }

  /** Waits for a beat that is under way: it could bring a file back that is to be deleted. */
  @Override
  public void close() {
    stop();
    try {
      timer.awaitTermination(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
