package org.sparkfinetune.engine.exchange;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.sparkfinetune.errors.RunFailure;

/** How a caller's thread waits: interruptible, counted, and with the cause as it was. */
final class Waiting {
  private Waiting() {}

  static <T> T await(CompletableFuture<T> future, Members members, Counters counters) {
    long start = System.nanoTime();
    try {
      return future.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new RunFailure(members.self() + " was interrupted while it waited for a peer.", e);
    } catch (ExecutionException e) {
      throw unwrapped(e.getCause() == null ? e : e.getCause());
    } finally {
      counters.waited(System.nanoTime() - start);
    }
  }

  private static RuntimeException unwrapped(Throwable cause) {
    if (cause instanceof Error error) {
      throw error;
    }
    return cause instanceof RuntimeException runtime
        ? runtime
        : new RunFailure("The exchange failed: " + cause, cause);
  }
}
