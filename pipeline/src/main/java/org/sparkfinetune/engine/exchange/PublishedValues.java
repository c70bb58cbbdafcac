package org.sparkfinetune.engine.exchange;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.sparkfinetune.errors.Bug;

/**
 * The values this rank has published: of each name the newest version, and who waits for a newer.
 */
final class PublishedValues {
  private record Value(long version, ByteBuffer bytes) {}

  private record Waiter(String name, long version, CompletableFuture<ByteBuffer> future) {}

  private final Map<String, Value> values = new HashMap<>();
  private final List<Waiter> waiters = new ArrayList<>();

  void publish(String name, long version, ByteBuffer bytes) {
    List<Waiter> served = new ArrayList<>();
    synchronized (this) {
      Value old = values.get(name);
      if (old != null && old.version() >= version) {
        throw new Bug(
            "'%s' version %s is published after version %s.".formatted(name, version, old.version));
      }
      values.put(name, new Value(version, bytes));
      waiters.removeIf(
          waiter ->
              waiter.name().equals(name) && waiter.version() <= version && served.add(waiter));
    }
    for (Waiter waiter : served) {
      if (waiter.version() == version) {
        waiter.future().complete(bytes);
      } else {
        waiter.future().completeExceptionally(tooLate(name, waiter.version(), version));
      }
    }
  }

  synchronized CompletableFuture<ByteBuffer> await(String name, long version) {
    Value value = values.get(name);
    if (value == null || value.version() < version) {
      CompletableFuture<ByteBuffer> future = new CompletableFuture<>();
      waiters.add(new Waiter(name, version, future));
      return future;
    }
    return value.version() == version
        ? CompletableFuture.completedFuture(value.bytes())
        : CompletableFuture.failedFuture(tooLate(name, version, value.version()));
  }

  /** The value if exactly this version is the newest. */
  synchronized Optional<ByteBuffer> current(String name, long version) {
    Value value = values.get(name);
    return value == null || value.version() != version
        ? Optional.empty()
        : Optional.of(value.bytes());
  }

  private static Bug tooLate(String name, long asked, long newest) {
    return new Bug(
        "'%s' version %s was asked for after version %s had replaced it."
            .formatted(name, asked, newest));
  }
}
