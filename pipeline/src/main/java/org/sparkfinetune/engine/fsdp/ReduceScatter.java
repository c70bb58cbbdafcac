package org.sparkfinetune.engine.fsdp;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.tensor.HostMemory;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;

/**
 * How the gradient of one group gets from all ranks to the owners of its slices, who add up the
 * ranks' contributions in rank order, in float32: by every way to the same bits.
 */
interface ReduceScatter {
  /**
   * Sends each rank its slice of this rank's gradient; all ranks, in one order of groups.
   *
   * @param flat slices of all ranks one behind the other, on the device; taken over, but for its
   *     scope, which may be closed when the returned future completes
   */
  CompletableFuture<Void> begin(Tensor flat, long step);

  /**
   * Adds up what arrived, so that it needs no memory any more.
   *
   * @return whether the sum is complete
   */
  boolean addArrived();

  /** Waits until the sum of the own slice is complete. */
  void finish();

  /** The ways of one rank. */
  record Ways(ProcessGroup exchange, Optional<DeviceCollectives> onDevice, Ops ops, Scope scope) {
    /**
     * For one group.
     *
     * @param sum where the own slice's sum is to be, on the device
     */
    ReduceScatter of(String name, Tensor sum) {
      if (exchange.worldSize() == 1) {
        return new OfOneRank(ops.hostMemory(), sum);
      }
      return onDevice
          .<ReduceScatter>map(devices -> new OnDevice(devices, name, sum))
          .orElseGet(() -> new OnHost(name, exchange, ops.hostMemory(), sum, scope));
    }
  }

  /** Nothing to send. */
  record OfOneRank(HostMemory memory, Tensor sum) implements ReduceScatter {
    @Override
    public CompletableFuture<Void> begin(Tensor flat, long step) {
      memory.copy(sum, flat);
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public boolean addArrived() {
      return true;
    }

    @Override
    public void finish() {}
  }

  /** From GPU to GPU. Sums are queued at once; the device is waited for at the end of a step. */
  record OnDevice(DeviceCollectives devices, String name, Tensor sum) implements ReduceScatter {
    @Override
    public CompletableFuture<Void> begin(Tensor flat, long step) {
      devices.reduceScatter(name, step, flat, sum);
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public boolean addArrived() {
      return false;
    }

    @Override
    public void finish() {
      devices.complete();
    }
  }

  /**
   * Through the hosts' memory and the exchange. Contributions are added up where they arrive, which
   * on the CPU is the sum's own memory, and go to the device as one sum.
   */
  final class OnHost implements ReduceScatter {
    /**
     * So many buffers of full length may wait in a rank's memory outside the heap, which is
     * limited.
     */
    private static final long WINDOW = 4;

    private final String name;
    private final ProcessGroup exchange;
    private final HostMemory memory;
    private final Tensor sum;
    private final Tensor hostSum;

    /** Its memory, in as many buffers as it takes: a slice may have more than 2 GiB. */
    private final List<ByteBuffer> buffers;

    /** All ranks' contributions, a buffer of the own slice after the other, not added up yet. */
    private final Deque<CompletableFuture<List<ByteBuffer>>> contributions = new ArrayDeque<>();

    /** Buffers of the own slice whose contributions are added up. */
    private int added;

    OnHost(String name, ProcessGroup exchange, HostMemory memory, Tensor sum, Scope scope) {
      this.name = name;
      this.exchange = exchange;
      this.memory = memory;
      this.sum = sum;
      this.hostSum = memory.toHost(scope, sum);
      this.buffers = memory.buffers(hostSum, 0, sum.elements());
    }

    /** So many buffers of such a length are on their way at a time. */
    static long window(HostMemory memory, long bytes) {
      return Math.max(2, WINDOW * memory.bufferBytes() / bytes);
    }

    /** What the exchange calls a buffer of a slice. */
    static String key(String what, String group, int buffer, int buffers) {
      String key = what + "/" + group;
      return buffers == 1 ? key : key + "/" + buffer;
    }

    /**
     * Of a large group the last part is sent only when all ranks are there with the first:
     * contributions wait in their owner's memory, which does not grow with the group.
     */
    @Override
    public CompletableFuture<Void> begin(Tensor flat, long step) {
      Tensor host = memory.moveToHost(flat);
      int ranks = exchange.worldSize();
      long length = sum.elements();
      List<List<ByteBuffer>> slices = new ArrayList<>();
      for (int owner = 0; owner < ranks; owner++) {
        slices.add(memory.buffers(host, owner * length, length));
      }
      List<CompletableFuture<Void>> sent = new ArrayList<>();
      long window = window(memory, (long) ranks * buffers.get(0).capacity());
      for (int i = 0; i < buffers.size(); i++) {
        if (contributions.size() >= window) {
          addNext();
        }
        String key = key("gradients", name, i, buffers.size());
        for (int owner = 0; owner < ranks; owner++) {
          sent.add(exchange.push(owner, key, step, slices.get(owner).get(i)));
        }
        contributions.add(exchange.pushed(key, step));
      }
      return CompletableFuture.allOf(sent.toArray(CompletableFuture[]::new));
    }

    @Override
    public boolean addArrived() {
      while (!contributions.isEmpty()
          && contributions.element().isDone()
          && !contributions.element().isCompletedExceptionally()) {
        addNext();
      }
      return contributions.isEmpty();
    }

    @Override
    public void finish() {
      while (!contributions.isEmpty()) {
        addNext();
      }
    }

    /** Waits for all ranks' contributions to the next buffer; adds them up in rank order. */
    private void addNext() {
      List<ByteBuffer> arrived = exchange.await(contributions.element());
      ByteBuffer whole = buffers.get(added);
      for (int rank = 0; rank < arrived.size(); rank++) {
        ByteBuffer contribution = arrived.get(rank);
        if (rank == 0) {
          whole.duplicate().put(contribution.duplicate());
        } else {
          addInto(whole, contribution);
        }
        exchange.recycle(contribution);
      }
      contributions.remove();
      added++;
      if (added == buffers.size()) {
        memory.copy(sum, hostSum);
        added = 0;
      }
    }

    private static void addInto(ByteBuffer sum, ByteBuffer contribution) {
      var whole = sum.duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
      var part = contribution.duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
      for (int i = 0; i < whole.limit(); i++) {
        whole.put(i, whole.get(i) + part.get(i));
      }
    }
  }
}
