package org.sparkfinetune.fsdp;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Runs tasks on this rank's share of the cores, the caller's thread among them. */
public final class Workers implements AutoCloseable {
  private final int threads;
  private final ExecutorService pool;

  public Workers(int threads) {
    this.threads = threads;
    this.pool =
        Executors.newFixedThreadPool(
            Math.max(1, threads - 1),
            task -> {
              Thread thread = new Thread(task, "worker");
              thread.setDaemon(true);
              return thread;
            });
  }

  /** Returns when all have run; the first task's error is thrown. */
  public void run(List<Runnable> tasks) {
    List<Future<?>> others = new ArrayList<>();
    for (int worker = 1; worker < threads; worker++) {
      int first = worker;
      others.add(pool.submit(() -> runEvery(tasks, first)));
    }
    runEvery(tasks, 0);
    others.forEach(Workers::await);
  }

  private void runEvery(List<Runnable> tasks, int first) {
    for (int i = first; i < tasks.size(); i += threads) {
      tasks.get(i).run();
    }
  }

  private static void await(Future<?> future) {
    try {
      future.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while others worked for it", e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new IllegalStateException(e.getCause());
    }
  }

  @Override
  public void close() {
    pool.shutdownNow();
  }
}
