package org.sparkfinetune.engine.exchange;

import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.IntPredicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.engine.exchange.ExchangeStats.Counters;
import org.sparkfinetune.engine.exchange.ProcessGroup.PeerLoss;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.store.Heartbeat;

/**
 * Everything one rank waits for. No wait outlives the time-out, and all of them, later ones too,
 * fail at once when a peer is lost: a group with a dead member has nothing left to do, and the
 * first cause is what each of its members should report.
 */
final class PendingOperations implements AutoCloseable {
  private record Wait(
      CompletableFuture<?> future, IntPredicate on, Supplier<String> what, long since) {}

  private final GroupMembers members;
  private final Duration timeout;
  private final ScheduledExecutorService clock;
  private final Set<Wait> pending = ConcurrentHashMap.newKeySet();
  private final Set<Integer> left = ConcurrentHashMap.newKeySet();
  private volatile @Nullable PeerLoss failure;
  private volatile boolean closed;

  PendingOperations(GroupMembers members, Duration timeout) {
    this.members = members;
    this.timeout = timeout;
    ScheduledThreadPoolExecutor executor =
        new ScheduledThreadPoolExecutor(1, Heartbeat.daemons("exchange-clock-" + members.rank()));
    executor.setRemoveOnCancelPolicy(true);
    this.clock = executor;
  }

  /** For heartbeats; tasks must not block. */
  ScheduledExecutorService clock() {
    return clock;
  }

  /**
   * Bounds {@code future}.
   *
   * @param on which peers it waits for, asked when one leaves
   * @param what completes "Rank 0 waited 3.0 s for …", asked when the wait fails
   */
  <T> CompletableFuture<T> bound(
      CompletableFuture<T> future, IntPredicate on, Supplier<String> what) {
    if (future.isDone()) {
      return future.isCompletedExceptionally() ? explained(future, on, what) : future;
    }
    Wait wait = new Wait(future, on, what, System.nanoTime());
    pending.add(wait);
    if (isOver(wait)) {
      pending.remove(wait);
      return future;
    }
    ScheduledFuture<?> alarm =
        clock.schedule(() -> timeOut(wait), timeout.toNanos(), TimeUnit.NANOSECONDS);
    CompletableFuture<T> unused =
        future.whenComplete(
            (value, error) -> {
              pending.remove(wait);
              alarm.cancel(false);
            });
    return future;
  }

  /** A request that failed at once because the peer is gone fails for that reason. */
  private <T> CompletableFuture<T> explained(
      CompletableFuture<T> failed, IntPredicate on, Supplier<String> what) {
    CompletableFuture<T> explained = new CompletableFuture<>();
    return isOver(new Wait(explained, on, what, System.nanoTime())) ? explained : failed;
  }

  private boolean isOver(Wait wait) {
    PeerLoss lost = failure;
    if (lost != null) {
      fail(wait, lost);
    } else if (closed) {
      wait.future().completeExceptionally(closedFailure());
    } else {
      left.stream().filter(wait.on()::test).findFirst().ifPresent(peer -> failLeft(wait, peer));
    }
    return wait.future().isDone();
  }

  /** A peer is dead or gave up: the first one to be so is the cause of all that follows. */
  void peerLost(int peer, String reason) {
    PeerLoss first;
    synchronized (this) {
      if (closed) {
        return;
      }
      first = failure == null ? new PeerLoss(peer, members.host(peer), reason) : failure;
      failure = first;
    }
    // By every caller, not by the first alone: each goes on to fail requests of its own afterwards.
    pending.forEach(wait -> fail(wait, first));
  }

  /** A peer closed its exchange in good order. */
  void peerLeft(int peer) {
    left.add(peer);
    pending.stream().filter(wait -> wait.on().test(peer)).forEach(wait -> failLeft(wait, peer));
  }

  boolean hasLeft(int peer) {
    return left.contains(peer);
  }

  Optional<PeerLoss> failure() {
    return Optional.ofNullable(failure);
  }

  private void timeOut(Wait wait) {
    wait.future()
        .completeExceptionally(
            new RunFailure(
                waited(wait)
                    + ". It is connected and answers, so it is slow or stuck: see its log, or raise"
                    + " the time-out of "
                    + seconds(timeout.toNanos())
                    + "."));
  }

  private void fail(Wait wait, PeerLoss lost) {
    wait.future()
        .completeExceptionally(
            new RunFailure(
                "%s, and then %s %s. This is a consequence: look at rank %s's own error first."
                    .formatted(
                        waited(wait), members.name(lost.rank()), lost.reason(), lost.rank())));
  }

  private void failLeft(Wait wait, int peer) {
    wait.future()
        .completeExceptionally(
            new RunFailure(
                "%s, and %s has finished and left the group."
                    .formatted(waited(wait), members.name(peer))));
  }

  private String waited(Wait wait) {
    return "%s waited %s for %s"
        .formatted(members.self(), seconds(System.nanoTime() - wait.since()), wait.what().get());
  }

  static String seconds(long nanos) {
    return String.format(Locale.ROOT, "%.1f s", nanos / 1e9);
  }

  private RunFailure closedFailure() {
    return new RunFailure(members.self() + " has closed its exchange.");
  }

  @Override
  public void close() {
    synchronized (this) {
      closed = true;
    }
    pending.forEach(wait -> wait.future().completeExceptionally(closedFailure()));
    clock.shutdownNow();
  }

  /** How a caller's thread waits: interruptible, counted, and with the cause as it was. */
  static final class BlockingWait {
    private BlockingWait() {}

    static <T> T await(CompletableFuture<T> future, GroupMembers members, Counters counters) {
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
}
