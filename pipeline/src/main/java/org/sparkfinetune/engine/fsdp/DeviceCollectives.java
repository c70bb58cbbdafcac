package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.zip.CRC32C;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.tensor.DeviceFailure;
import org.sparkfinetune.engine.tensor.NcclCommunicator;
import org.sparkfinetune.engine.tensor.NcclCommunicator.Place;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.store.Heartbeat;

/**
 * Gradients between the GPUs of one host. Ranks send each other slices, and the owner of a slice
 * adds them up in rank order: NCCL's own reduction would have an order that depends on how GPUs are
 * connected. Made by {@link NcclRendezvous}.
 *
 * <p>A GPU that waits for a peer waits inside its stream, where no time-out and no interrupt ends
 * it. So from a step's first exchange until its last is done at all ranks, every rank also waits
 * for the others through the {@link ProcessGroup}, on no thread: that wait ends when a peer dies,
 * gives up, leaves, or does not come in time, and then the communicator is aborted, by which the
 * stream goes on. What it computed is worth nothing then, and the step fails for the reason that
 * the process group gives. NCCL's own state is looked at beside, by the same thread.
 *
 * <p>For one thread, and for ranks that all call {@link #reduceScatter} in one order.
 */
public final class DeviceCollectives implements AutoCloseable {
  private static final String KEY = "gradients between GPUs";
  private static final Duration PERIOD = Duration.ofMillis(100);

  /** NCCL may notice the end of a peer's process before the process group does. */
  private static final Duration PEER_NEWS = Duration.ofSeconds(2);

  private final Ops ops;
  private final ProcessGroup exchange;
  private final NcclCommunicator communicator;
  private final Scope scope;
  private final long window;

  /** (ranks x window) float32 */
  private final Tensor received;

  private final ScheduledExecutorService watcher;
  private Optional<Exchanging> exchanging = Optional.empty();

  /** Set by the watcher. */
  private volatile Optional<RunFailure> broken = Optional.empty();

  /**
   * A step's exchange.
   *
   * @param order of what was exchanged, by names and lengths
   * @param all told by the ranks for which the step's exchange is over: their order
   */
  private record Exchanging(long step, CRC32C order, CompletableFuture<List<ByteBuffer>> all) {}

  DeviceCollectives(Ops ops, ProcessGroup exchange, NcclCommunicator communicator) {
    this.ops = ops;
    this.exchange = exchange;
    this.communicator = communicator;
    this.scope = ops.torch().scope();
    int ranks = exchange.worldSize();
    this.window = Math.max(1, ops.hostMemory().bufferBytes() / Float.BYTES / ranks);
    this.received = ops.empty(scope, ElementType.FLOAT32, ranks * window);
    this.watcher =
        Executors.newSingleThreadScheduledExecutor(
            Heartbeat.daemons("nccl-watcher-" + exchange.rank()));
    var unused =
        watcher.scheduleWithFixedDelay(
            this::look, PERIOD.toMillis(), PERIOD.toMillis(), TimeUnit.MILLISECONDS);
  }

  private void look() {
    try {
      if (!communicator.isEnded()) {
        communicator.isReady();
      }
    } catch (RunFailure e) {
      broken = Optional.of(e);
      communicator.abort();
    }
  }

  /**
   * Queues the exchange of a group's slices and the sum of the own one. Large slices go in windows,
   * for whose receiving there is memory once.
   *
   * @param flat float32, the slices of all ranks one behind the other; may be closed at once
   * @param sum of the length of a slice
   * @throws RunFailure if a peer or NCCL has failed
   */
  void reduceScatter(String name, long step, Tensor flat, Tensor sum) {
    long length = sum.elements();
    CRC32C order = exchanging(step).order();
    order.update("%s %s;".formatted(name, length).getBytes(StandardCharsets.UTF_8));
    for (long at = 0; at < length; at += window) {
      long first = at;
      long count = Math.min(window, length - at);
      guarded(
          () ->
              communicator.exchange(
                  count,
                  peer -> new Place(flat, peer * length + first),
                  peer -> new Place(received, peer * window)));
      add(sum, first, count);
    }
  }

  private void add(Tensor sum, long first, long count) {
    try (Scope local = ops.torch().scope()) {
      Tensor part = ops.view(local, sum, first, count);
      ops.copy(local, part, ops.view(local, received, 0, count));
      for (int rank = 1; rank < exchange.worldSize(); rank++) {
        ops.add(local, part, ops.view(local, received, rank * window, count));
      }
    }
  }

  private Exchanging exchanging(long step) {
    if (exchanging.isEmpty()) {
      CompletableFuture<List<ByteBuffer>> all = exchange.pushed(KEY, step);
      var unused =
          all.whenCompleteAsync(
              (told, error) -> {
                if (error != null) {
                  communicator.abort();
                }
              },
              watcher);
      exchanging = Optional.of(new Exchanging(step, new CRC32C(), all));
    }
    Exchanging now = exchanging.get();
    if (now.step() != step) {
      throw new Bug(
          "Gradients of step %s are exchanged before those of step %s are complete."
              .formatted(step, now.step()));
    }
    return now;
  }

  /**
   * Waits until all that was queued of a step is done, here and at all ranks.
   *
   * @throws RunFailure if a peer or NCCL has failed, whatever the sums are
   */
  void complete() {
    if (exchanging.isEmpty()) {
      return;
    }
    Exchanging now = exchanging.get();
    ops.hostMemory().catchUp();
    guarded(communicator::isReady);
    List<CompletableFuture<Void>> sent = new ArrayList<>();
    for (int rank = 0; rank < exchange.worldSize(); rank++) {
      sent.add(exchange.push(rank, KEY, now.step(), encoded(now.order().getValue())));
    }
    sent.forEach(exchange::await);
    List<ByteBuffer> all = exchange.await(now.all());
    for (int rank = 0; rank < all.size(); rank++) {
      long order = all.get(rank).duplicate().order(ByteOrder.LITTLE_ENDIAN).getLong();
      exchange.recycle(all.get(rank));
      if (order != now.order().getValue()) {
        throw new Bug(
            "Ranks %s and %s exchanged the gradients of step %s in different orders."
                .formatted(exchange.rank(), rank, now.step()));
      }
    }
    exchanging = Optional.empty();
  }

  private static ByteBuffer encoded(long number) {
    return ByteBuffer.allocateDirect(Long.BYTES)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(number)
        .flip();
  }

  private void guarded(Runnable call) {
    try {
      call.run();
    } catch (RunFailure e) {
      throw cause(e);
    }
  }

  /** A peer's failure, if that is behind what NCCL says. */
  private RuntimeException cause(RunFailure failure) {
    CompletableFuture<List<ByteBuffer>> all = exchanging.orElseThrow().all();
    long until = System.nanoTime() + PEER_NEWS.toNanos();
    while (!all.isDone() && System.nanoTime() < until && !Thread.currentThread().isInterrupted()) {
      LockSupport.parkNanos(PERIOD.toNanos() / 10);
    }
    if (all.isCompletedExceptionally()) {
      try {
        exchange.await(all);
      } catch (RuntimeException ofPeer) {
        return ofPeer;
      }
    }
    RunFailure own = broken.orElse(failure);
    return DeviceFailure.of(own, "NCCL", ops.torch().device()).orElse(own);
  }

  /** Leaves the communicator; aborts it where an exchange is not over, for it may never be. */
  @Override
  public void close() {
    watcher.shutdown();
    boolean ended = exchanging.isPresent() ? communicator.abort() : communicator.leave();
    if (ended) {
      scope.close();
    } else {
      scope.abandon("NCCL's communicator does not end");
    }
  }
}
