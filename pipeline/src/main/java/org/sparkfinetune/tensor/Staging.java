package org.sparkfinetune.tensor;

import static org.sparkfinetune.tensor.Torch.value;

import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import java.nio.ByteBuffer;
import java.util.function.Consumer;

/**
 * Moves values between memory that host code sees and the device's. On the CPU these are one: every
 * tensor is passed on as it is, and nothing is copied.
 *
 * <p>For CUDA the host's memory is pinned. It comes from libtorch's cache, which hands a piece out
 * again only after the copies from it are done; so copies to the device run beside host code, and
 * their source may be closed at once. They are queued in the one stream that kernels run in: those
 * of other streams cannot be reached from TorchScript without operators that a libtorch for CPUs
 * lacks. Copies to the host wait for the device.
 */
public final class Staging {
  private final Torch torch;

  Staging(Torch torch) {
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

  /** Lets host code change a tensor's memory; what it does not write stays. */
  public void write(Tensor x, Consumer<ByteBuffer> writer) {
    try (Scope scope = torch.scope()) {
      Tensor host = toHost(scope, x);
      writer.accept(host.bytes());
      copy(x, host);
    }
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
