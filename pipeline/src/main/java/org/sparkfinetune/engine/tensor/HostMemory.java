package org.sparkfinetune.engine.tensor;

import static org.sparkfinetune.engine.tensor.Torch.value;

import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/**
 * Moves values between memory that host code sees and the device's. On the CPU these are one: every
 * tensor is passed on as it is, and nothing is copied.
 *
 * <p>For CUDA the host's memory is pinned. It comes from libtorch's cache, which hands a piece out
 * again only after the copies from it are done; so copies to the device run beside host code, and
 * their source may be closed at once. They are queued in the one stream that kernels run in; for
 * bytes that are worth a stream of their own there are {@link Uploads}. Copies to the host wait for
 * the device.
 */
public final class HostMemory {
  private final Torch torch;

  HostMemory(Torch torch) {
    this.torch = torch;
  }

  /** Memory of undefined content that host code sees. */
  public Tensor empty(Scope scope, ElementType type, long... shape) {
    return torch.onHost(
        scope,
        "host_empty",
        IValue.listFrom(shape),
        IValue.from((long) type.code()),
        IValue.from(torch.device() instanceof ComputeDevice.Cuda));
  }

  /** Memory of undefined content where tensors live. */
  Tensor onDevice(Scope scope, ElementType type, long... shape) {
    return torch.tensor(
        scope,
        "empty",
        IValue.listFrom(shape),
        IValue.from((long) type.code()),
        IValue.from(torch.device().text()));
  }

  /** The first elements of a flat tensor, which host code sees if it sees that one. */
  Tensor begin(Scope scope, Tensor flat, long count) {
    return torch.view(scope, flat.memory(), range(flat, 0, count));
  }

  /** What {@link #empty} made, once it is filled, on the device; takes it over, scope included. */
  public Tensor toDevice(Tensor host) {
    if (torch.device().sharesHostMemory()) {
      return host;
    }
    try (host) {
      return torch.tensor(
          scopeOf(host), "to_device", value(host), IValue.from(torch.device().text()));
    }
  }

  /** A tensor's values where host code sees them: the tensor itself, or a copy in {@code scope}. */
  public Tensor toHost(Scope scope, Tensor x) {
    if (torch.device().sharesHostMemory()) {
      return x;
    }
    Tensor host = empty(scope, x.type(), x.shape());
    copy(host, x);
    return host;
  }

  /** As {@link #toHost}, taking the tensor over, scope included. */
  public Tensor moveToHost(Tensor x) {
    if (torch.device().sharesHostMemory()) {
      return x;
    }
    try (x) {
      return toHost(scopeOf(x), x);
    }
  }

  /** Copies between two sides of one tensor, if they are two; returns when that is done. */
  public void copy(Tensor to, Tensor from) {
    if (to != from) {
      try (Scope scope = torch.scope()) {
        torch.tensor(scope, "copy", value(to), value(from));
      }
    }
  }

  /** Changes a part of a flat tensor. */
  public interface Writer {
    /**
     * @param first element of the tensor that the buffer begins with
     */
    void write(long first, ByteBuffer bytes);
  }

  /** Lets host code change a flat tensor's memory, part by part; what it does not write stays. */
  public void write(Tensor flat, Writer writer) {
    long elements = flat.elements();
    long most = bufferElements(flat);
    for (long first = 0; first < elements; first += most) {
      try (Scope scope = torch.scope()) {
        IValue[] range = range(flat, first, Math.min(most, elements - first));
        Tensor part = torch.tensor(scope, "view", range);
        Tensor host = toHost(scope, part);
        writer.write(first, host.bytes());
        copy(part, host);
      }
    }
  }

  /**
   * The memory of elements {@code [first, first + count)} of a flat tensor that host code sees, one
   * buffer behind the other, none longer than {@link Torch} allows. Valid as long as the tensor is
   * open.
   */
  public List<ByteBuffer> buffers(Tensor flat, long first, long count) {
    List<ByteBuffer> buffers = new ArrayList<>();
    long most = bufferElements(flat);
    try (Scope scope = torch.scope()) {
      for (long at = 0; at < count; at += most) {
        IValue[] range = range(flat, first + at, Math.min(most, count - at));
        buffers.add(torch.onHost(scope, "view", range).bytes());
      }
    }
    return buffers;
  }

  /** The longest that {@link #buffers} gives. */
  public long bufferBytes() {
    return torch.bufferBytes();
  }

  private long bufferElements(Tensor x) {
    return Math.max(1, torch.bufferBytes() / x.type().bytes());
  }

  private static IValue[] range(Tensor flat, long first, long count) {
    return new IValue[] {value(flat), IValue.from(first), IValue.listFrom(new long[] {count})};
  }

  /**
   * Waits for the device to have done what was asked of it. Called before large copies: host code
   * that ran ahead through many layers would hold pinned memory for all of them.
   */
  public void catchUp() {
    if (!torch.device().sharesHostMemory()) {
      torch.number("catch_up", IValue.from(torch.device().text()));
    }
  }

  private static Scope scopeOf(Tensor x) {
    return new Scope((PtNDManager) x.array().getManager());
  }
}
