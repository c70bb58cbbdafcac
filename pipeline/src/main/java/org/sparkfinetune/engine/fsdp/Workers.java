package org.sparkfinetune.engine.fsdp;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.store.Heartbeat;

/**
 * Runs tasks on this rank's share of the cores, the caller's thread among them. Tasks write into
 * tensors that the caller frees after a failure, so that nothing runs any more when {@link #run}
 * returns, however it does.
 *
 * <p>This is the pool for work of a millisecond and more. The loops of decoding are shorter than it
 * takes to wake a thread, so they have a pool whose threads stay awake.
 */
public final class Workers implements AutoCloseable {
  private final int threads;
  private final ExecutorService pool;

  public Workers(int threads) {
    this.threads = threads;
    this.pool = Executors.newFixedThreadPool(Math.max(1, threads - 1), Heartbeat.daemons("worker"));
  }

  /**
   * Returns when no task runs any more: all have, or one failed and the rest was not begun. The
   * first error is thrown. An interrupt does not end the waiting; it is left for the caller's next
   * wait to see.
   */
  public void run(List<Runnable> tasks) {
    Share share = new Share(tasks, threads, new AtomicReference<>());
    List<CompletableFuture<Void>> others = new ArrayList<>();
    try {
      for (int worker = 1; worker < threads; worker++) {
        int first = worker;
        others.add(CompletableFuture.runAsync(() -> share.run(first), pool));
      }
      share.run(0);
    } catch (Throwable e) {
      // No thread for one of them: what was begun has to end all the same.
      share.failure().compareAndSet(null, e);
    }
    others.forEach(other -> join(other, share.failure()));
    rethrow(share.failure().get());
  }

  /** What the threads of one call have in common. */
  private record Share(
      List<Runnable> tasks, int threads, AtomicReference<@Nullable Throwable> failure) {
    void run(int first) {
      for (int i = first; i < tasks.size() && failure.get() == null; i += threads) {
        try {
          tasks.get(i).run();
        } catch (Throwable e) {
          failure.compareAndSet(null, e);
        }
      }
    }
  }

  /** Not interruptible, as {@link CompletableFuture#join} is not. */
  private static void join(
      CompletableFuture<Void> other, AtomicReference<@Nullable Throwable> failure) {
    try {
      other.join();
    } catch (CompletionException e) {
      failure.compareAndSet(null, e.getCause());
    }
  }

  private static void rethrow(@Nullable Throwable failure) {
    if (failure instanceof RuntimeException exception) {
      throw exception;
    }
    if (failure instanceof Error error) {
      throw error;
    }
  }

  @Override
  public void close() {
    pool.shutdownNow();
  }
}
