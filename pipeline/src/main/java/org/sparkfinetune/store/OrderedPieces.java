package org.sparkfinetune.store;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.function.LongFunction;

/**
 * Pieces of a stream, made by several threads and taken in their order: while one is written, the
 * next are made. No more than two for each thread are held.
 */
public final class OrderedPieces implements AutoCloseable {
  /** More would rather fill the heap than keep a disk busy. */
  private static final int MOST_THREADS = 16;

  private final int ahead;
  private final ExecutorService pool;

  /** On all cores. */
  public OrderedPieces() {
    this(Math.min(MOST_THREADS, Runtime.getRuntime().availableProcessors()));
  }

  OrderedPieces(int threads) {
    this.ahead = 2 * threads;
    this.pool = Executors.newFixedThreadPool(threads, Heartbeat.daemons("pieces"));
  }

  /**
   * Returns when all were taken. After a failure, which is thrown, none is made any more.
   *
   * @param make gives piece 0, 1, … count - 1; called by any thread
   * @param take called in the pieces' order by the caller's thread
   */
  public <T> void run(long count, LongFunction<T> make, Consumer<T> take) {
    Deque<CompletableFuture<T>> begun = new ArrayDeque<>();
    try {
      for (long next = 0; next < count || !begun.isEmpty(); ) {
        while (next < count && begun.size() < ahead) {
          long piece = next++;
          begun.add(CompletableFuture.supplyAsync(() -> make.apply(piece), pool));
        }
        take.accept(made(begun.remove()));
      }
    } finally {
      // They may read files that the caller closes next.
      begun.forEach(piece -> piece.handle((unused, failure) -> true).join());
    }
  }

  private static <T> T made(CompletableFuture<T> piece) {
    try {
      return piece.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof RuntimeException failure) {
        throw failure;
      }
      if (e.getCause() instanceof Error failure) {
        throw failure;
      }
      throw e;
    }
  }

  @Override
  public void close() {
    pool.shutdownNow();
  }
}
