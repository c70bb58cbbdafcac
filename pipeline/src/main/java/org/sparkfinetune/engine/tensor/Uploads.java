package org.sparkfinetune.engine.tensor;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/**
 * Bytes on their way to the device, beside its computing. There are two slots of pinned memory,
 * each with memory of the device: while operators read one, the next bytes are written into the
 * other and copied. Host code that runs ahead waits for the slot it comes to, so what is on its way
 * is never more than two uploads.
 *
 * <p>On CUDA copies have a stream of their own ({@code streams.py}); on {@link
 * ComputeDevice.Staged} they are done at once. For one thread.
 */
public final class Uploads implements AutoCloseable {
  private static final int SLOTS = 2;

  private final Torch torch;
  private final HostMemory hostMemory;
  private final Scope scope;
  private final CopyStream stream;
  private final List<Slot> slots;
  private final LongAdder bytes = new LongAdder();
  private int next;

  /**
   * @param scope that outlives all uploads
   */
  public Uploads(Ops ops, Scope scope) {
    this.torch = ops.torch();
    this.hostMemory = ops.hostMemory();
    this.scope = scope;
    this.stream =
        torch.device() instanceof ComputeDevice.Cuda cuda
            ? new CudaStream(torch, cuda)
            : new CopyStream.AtOnce(hostMemory);
    this.slots = IntStream.range(0, SLOTS).mapToObj(i -> new Slot(stream.slot())).toList();
  }

  /** Of all uploads until now. */
  public long bytes() {
    return bytes.sum();
  }

  /**
   * Copies buffers to the device. When this returns, {@code filling} is done and the copies are
   * queued; operators called from now on see them done.
   *
   * @param sizes bytes of each buffer
   * @param filling writes all of them, from their beginning
   */
  public Upload upload(List<Integer> sizes, Consumer<List<ByteBuffer>> filling) {
    Slot slot = slots.get(next);
    next = (next + 1) % SLOTS;
    slot.events.awaitCopied();
    Scope own = torch.scope();
    try {
      List<Tensor> host = new ArrayList<>();
      List<Tensor> device = new ArrayList<>();
      for (int i = 0; i < sizes.size(); i++) {
        Pair pair = slot.pair(i, sizes.get(i));
        host.add(hostMemory.begin(own, pair.host(), sizes.get(i)));
        device.add(hostMemory.begin(own, pair.device(), sizes.get(i)));
      }
      filling.accept(host.stream().map(Tensor::bytes).toList());
      for (int i = 0; i < sizes.size(); i++) {
        slot.events.copy(device.get(i), host.get(i));
        bytes.add(sizes.get(i));
      }
      slot.events.arrive();
      return new Upload(own, slot.events, device);
    } catch (RuntimeException | Error e) {
      own.close();
      throw e;
    }
  }

  /** Bytes on the device, until it is closed: later uploads take their place then. */
  public static final class Upload implements AutoCloseable {
    private final Scope scope;
    private final CopyStream.Slot events;
    private final List<Tensor> tensors;

    private Upload(Scope scope, CopyStream.Slot events, List<Tensor> tensors) {
      this.scope = scope;
      this.events = events;
      this.tensors = tensors;
    }

    /** Flat, uint8. */
    public List<Tensor> tensors() {
      return tensors;
    }

    /** After the operators that read it were called. */
    @Override
    public void close() {
      events.read();
      scope.close();
    }
  }

  private record Pair(Tensor host, Tensor device) {}

  private final class Slot {
    private final CopyStream.Slot events;
    private final List<Pair> pairs = new ArrayList<>();

    Slot(CopyStream.Slot events) {
      this.events = events;
    }

    Pair pair(int index, int size) {
      if (index == pairs.size()) {
        pairs.add(of(size));
      } else if (pairs.get(index).host().elements() < size) {
        Pair old = pairs.set(index, of(size));
        old.host().close();
        old.device().close();
      }
      return pairs.get(index);
    }

    /**
     * libtorch gives out the device's memory in the order of the computing stream; copies have
     * another order, so all computing has to be done first.
     */
    private Pair of(int size) {
      Tensor device = hostMemory.onDevice(scope, ElementType.UINT8, size);
      Tensor host = hostMemory.empty(scope, ElementType.UINT8, size);
      hostMemory.catchUp();
      return new Pair(host, device);
    }
  }

  /** Memory of slots belongs to the scope given. */
  @Override
  public void close() {
    stream.close();
  }
}
