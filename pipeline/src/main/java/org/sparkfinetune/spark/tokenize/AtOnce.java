package org.sparkfinetune.spark.tokenize;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Supplier;
import org.sparkfinetune.store.Heartbeat;

/**
 * Two pieces of a driver's work at the same time: while one waits for executors, the other plans
 * its jobs. For data sets of some thousand rows most of the time is such waiting.
 */
public final class AtOnce {
  private AtOnce() {}

  /** What both gave. */
  public record Both<A, B>(A first, B second) {}

  /**
   * Returns, or throws, when both have ended; of two failures the first one's. The second runs in a
   * thread of its own, which takes over what this one has for Spark: session, job group, class
   * loader.
   */
  public static <A, B> Both<A, B> run(Supplier<A> first, Supplier<B> second) {
    ExecutorService thread =
        Executors.newSingleThreadExecutor(Heartbeat.daemons(Thread.currentThread().getName()));
    CompletableFuture<B> other = CompletableFuture.supplyAsync(second, thread);
    thread.shutdown();
    try {
      A own = first.get();
      return new Both<>(own, other.join());
    } catch (CompletionException e) {
      throw AtOnce.<RuntimeException>asItIs(e.getCause() == null ? e : e.getCause());
    } finally {
      other.handle((result, failure) -> true).join();
    }
  }

  /** Spark's exceptions are checked, and Scala does not declare them. */
  @SuppressWarnings("unchecked")
  private static <E extends Throwable> E asItIs(Throwable failure) throws E {
    throw (E) failure;
  }
}
