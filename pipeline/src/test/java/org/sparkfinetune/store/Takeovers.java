package org.sparkfinetune.store;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Phaser;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.store.Watch.Pace;

/**
 * Many drivers want one lease, and each that gets it dies with it or gives it back. They go in
 * step, and each writes once in a step: so the living are never taken for dead because they are
 * slow.
 */
public final class Takeovers {
  private static final int DRIVERS = 5;

  /** A claim that was written in each step can look the same twice. */
  private static final int LOOKS = 4;

  private static final int RENEWALS = 3;

  private final FileSystem store;
  private final Path folder;
  private final int takeovers;
  private final Phaser steps = new Phaser(DRIVERS);
  private final AtomicInteger holders = new AtomicInteger();
  private final AtomicInteger taken = new AtomicInteger();
  private final AtomicInteger refused = new AtomicInteger();
  private final AtomicReference<@Nullable Throwable> first = new AtomicReference<>();

  private Takeovers(FileSystem store, Path folder, int takeovers) {
    this.store = store;
    this.folder = folder;
    this.takeovers = takeovers;
  }

  /**
   * Takes a lease over so many times, and never has two holders.
   *
   * @param few takeovers, where the property {@code lease.takeovers} does not ask for more
   */
  public static void on(FileSystem store, Path folder, int few) throws Exception {
    int takeovers = Integer.getInteger("lease.takeovers", few);
    Takeovers all = new Takeovers(store, folder, takeovers);
    ExecutorService drivers = Executors.newFixedThreadPool(DRIVERS);
    try {
      List<Future<?>> ends = new ArrayList<>();
      for (int driver = 0; driver < DRIVERS; driver++) {
        ends.add(drivers.submit(() -> all.drive()));
      }
      for (Future<?> end : ends) {
        try {
          end.get();
        } catch (ExecutionException e) {
          throw new AssertionError("a driver failed first of all", all.first.get());
        }
      }
    } finally {
      drivers.shutdownNow();
    }
    assertThat(all.taken.get()).isGreaterThanOrEqualTo(takeovers);
    assertThat(all.refused.get()).as("drivers that met another").isPositive();
  }

  private Void drive() throws IOException {
    Pace pace = new Pace(Duration.ofDays(1), LOOKS, steps::arriveAndAwaitAdvance);
    try {
      while (taken.get() < takeovers && first.get() == null) {
        try {
          hold(Lease.take(store, folder, pace));
        } catch (Lease.HeldException e) {
          refused.incrementAndGet();
        }
        steps.arriveAndAwaitAdvance();
      }
      return null;
    } catch (IOException | RuntimeException | AssertionError e) {
      // What the others meet after it is its consequence.
      first.compareAndSet(null, e);
      throw e;
    } finally {
      steps.arriveAndDeregister();
    }
  }

  /** All but every seventh die with it. */
  private void hold(Lease lease) throws IOException {
    assertThat(holders.incrementAndGet()).as("holders").isEqualTo(1);
    for (int i = 0; i < RENEWALS; i++) {
      steps.arriveAndAwaitAdvance();
      assertThat(lease.renew()).as("is still the holder").isTrue();
      assertThat(holders).as("holders").hasValue(1);
    }
    holders.decrementAndGet();
    if (taken.incrementAndGet() % 7 == 0) {
      lease.release();
    }
  }
}
