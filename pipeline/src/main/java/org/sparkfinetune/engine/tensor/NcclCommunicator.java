package org.sparkfinetune.engine.tensor;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.store.Heartbeat;

/**
 * One rank's place in a communicator of NCCL's. What it queues goes into the stream in which
 * libtorch's operators run, the default one, so exchanges and operators keep their order, and
 * memory may be given back to libtorch once an exchange is queued.
 *
 * <p>Calls do not block, so any thread may {@link #abort} at any time: whatever waits for a peer in
 * the stream ends then, with memory that holds anything.
 */
public final class NcclCommunicator {
  private static final Logger LOG = LoggerFactory.getLogger(NcclCommunicator.class);

  /** ncclConfig_t as of 2.14, which is the beginning of later ones: size, magic, version. */
  private static final int CONFIG_BYTES = 24;

  private static final int CONFIG_MAGIC = 0xcafebeef;
  private static final int CONFIG_VERSION = 21400;
  private static final int FLOAT32 = 7;

  /** For all that was queued to end at all ranks, when they leave in good order. */
  private static final Duration FAREWELL = Duration.ofSeconds(5);

  private static final long PAUSE_NANOS = 50_000;

  private final Nccl nccl;
  private final Runnable use;
  private final int ranks;

  /** NCCL may write to it as long as it joins. */
  private final PointerByReference handle = new PointerByReference();

  /** Nothing may be called with the handle any more, but for its end. */
  private boolean ended;

  private final CompletableFuture<Void> over = new CompletableFuture<>();

  NcclCommunicator(Nccl nccl, Runnable use, Nccl.UniqueId id, int rank, int ranks) {
    this.nccl = nccl;
    this.use = use;
    this.ranks = ranks;
    use.run();
    try (Memory config = new Memory(CONFIG_BYTES)) {
      config.clear();
      config.setLong(0, CONFIG_BYTES);
      config.setInt(8, CONFIG_MAGIC);
      config.setInt(12, CONFIG_VERSION);
      config.setInt(16, 0); // blocking
      nccl.check(
          nccl.functions().ncclCommInitRankConfig(handle, ranks, id, rank, config),
          "ncclCommInitRankConfig");
    }
  }

  /**
   * Whether it has joined, and queued what it was given.
   *
   * @throws RunFailure with NCCL's words if it has failed, and after an abort
   */
  public synchronized boolean isReady() {
    IntByReference state = new IntByReference();
    nccl.check(nccl.functions().ncclCommGetAsyncError(alive(), state), "ncclCommGetAsyncError");
    return nccl.isDone(state.getValue(), "communicator");
  }

  /** After an abort, and once it was left. */
  public synchronized boolean isEnded() {
    return ended;
  }

  private Pointer alive() {
    if (ended) {
      throw new RunFailure("The communicator of NCCL's was aborted.");
    }
    return handle.getValue();
  }

  /** Elements of a flat float32 tensor on the device, from one on. */
  public record Place(Tensor flat, long first) {
    private Pointer address() {
      return CudaKernels.address(flat).share(first * Float.BYTES);
    }
  }

  /**
   * Queues sends to all ranks and receives from all ranks, this one included. All ranks call it
   * with the same counts in the same order.
   *
   * @param count elements for each rank
   * @param sent by rank that they go to
   * @param received by rank that they come from
   * @throws RunFailure with NCCL's words, after an abort, and if the thread is interrupted
   */
  public void exchange(long count, IntFunction<Place> sent, IntFunction<Place> received) {
    queue(count, sent, received);
    while (!isReady()) {
      LockSupport.parkNanos(PAUSE_NANOS);
      if (Thread.currentThread().isInterrupted()) {
        throw new RunFailure("Interrupted while NCCL connected GPUs.");
      }
    }
  }

  private synchronized void queue(
      long count, IntFunction<Place> sent, IntFunction<Place> received) {
    Nccl.Functions functions = nccl.functions();
    Pointer own = alive();
    use.run();
    nccl.check(functions.ncclGroupStart(), "ncclGroupStart");
    int worst = Nccl.SUCCESS;
    for (int peer = 0; peer < ranks && !Nccl.isFailure(worst); peer++) {
      worst = functions.ncclSend(sent.apply(peer).address(), count, FLOAT32, peer, own, null);
      if (!Nccl.isFailure(worst)) {
        worst = functions.ncclRecv(received.apply(peer).address(), count, FLOAT32, peer, own, null);
      }
    }
    // Also after a failure: a group that was begun is the thread's.
    int end = functions.ncclGroupEnd();
    nccl.check(worst, "ncclSend or ncclRecv");
    nccl.check(end, "ncclGroupEnd");
  }

  /**
   * Ends it at once, and with it what this rank's GPU does for it. Peers have to do the same.
   *
   * @return whether nothing of it goes on; false if NCCL does not come back from it
   */
  public boolean abort() {
    return end(() -> tell(nccl.functions().ncclCommAbort(handle.getValue()), "ncclCommAbort"));
  }

  /**
   * Leaves it in good order, all ranks at about the same time.
   *
   * @return as {@link #abort}
   */
  public boolean leave() {
    return end(this::finalizeAndDestroy);
  }

  private void finalizeAndDestroy() {
    Nccl.Functions functions = nccl.functions();
    Pointer own = handle.getValue();
    IntByReference state = new IntByReference(functions.ncclCommFinalize(own));
    long until = System.nanoTime() + FAREWELL.toNanos();
    try {
      while (!nccl.isDone(state.getValue(), "ncclCommFinalize") && System.nanoTime() < until) {
        LockSupport.parkNanos(PAUSE_NANOS);
        nccl.check(functions.ncclCommGetAsyncError(own, state), "ncclCommGetAsyncError");
      }
    } catch (RunFailure e) {
      LOG.warn("A communicator is aborted at its end: {}", e.getMessage());
    }
    if (state.getValue() == Nccl.SUCCESS) {
      tell(functions.ncclCommDestroy(own), "ncclCommDestroy");
    } else {
      tell(functions.ncclCommAbort(own), "ncclCommAbort");
    }
  }

  private void tell(int result, String call) {
    try {
      nccl.check(result, call);
    } catch (RunFailure e) {
      LOG.warn("A communicator was not ended as it should be: {}", e.getMessage());
    }
  }

  /** On a thread of its own, in case that NCCL does not come back. */
  private boolean end(Runnable how) {
    boolean first;
    synchronized (this) {
      first = !ended;
      ended = true;
    }
    if (first) {
      Heartbeat.daemons("nccl-end")
          .newThread(
              () -> {
                how.run();
                over.complete(null);
              })
          .start();
    }
    return isOver();
  }

  /** An interrupt, which may be why the run ends, does not make NCCL end sooner. */
  private boolean isOver() {
    boolean interrupted = false;
    long until = System.nanoTime() + 2 * FAREWELL.toNanos();
    try {
      while (true) {
        try {
          over.get(until - System.nanoTime(), TimeUnit.NANOSECONDS);
          return true;
        } catch (InterruptedException e) {
          interrupted = true;
        } catch (ExecutionException | TimeoutException e) {
          LOG.warn("NCCL's communicator does not end; this process leaves it as it is.");
          return false;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
