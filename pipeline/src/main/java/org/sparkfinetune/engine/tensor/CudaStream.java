package org.sparkfinetune.engine.tensor;

import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import org.sparkfinetune.engine.tensor.ComputeDevice.Cuda;

/**
 * A stream of CUDA's beside the one that kernels run in, by {@code streams.py}. Streams and events
 * are held as handles on objects of libtorch's.
 */
final class CudaStream implements CopyStream {
  private final Torch torch;
  private final PtSymbolBlock module;
  private final Cuda device;
  private final IValue stream;

  CudaStream(Torch torch, Cuda device) {
    this.torch = torch;
    this.module = torch.load(Scripts.streams());
    this.device = device;
    this.stream = made("stream", IValue.from(device.text()));
  }

  private IValue made(String method, IValue... arguments) {
    try {
      return torch.run(module, method, arguments);
    } finally {
      for (IValue argument : arguments) {
        argument.close();
      }
    }
  }

  /** Arguments stay open: they are used again. */
  private void run(String method, IValue... arguments) {
    torch.run(module, method, arguments).close();
  }

  @Override
  public Slot slot() {
    return new CudaSlot();
  }

  @Override
  public void close() {
    stream.close();
    module.close();
  }

  /** Events that were never recorded hold nothing up. */
  private final class CudaSlot implements Slot {
    private final IValue copied = made("event");
    private final IValue read = made("event");

    @Override
    public void awaitCopied() {
      run("wait", copied);
    }

    @Override
    public void copy(Tensor to, Tensor host) {
      try (IValue target = Torch.value(to);
          IValue source = Torch.value(host)) {
        run("copy", target, source, stream, read);
      }
    }

    @Override
    public void arrive() {
      try (IValue name = IValue.from(device.text())) {
        run("arrive", stream, copied, name);
      }
    }

    @Override
    public void read() {
      try (IValue name = IValue.from(device.text())) {
        run("record", read, name);
      }
    }
  }
}
