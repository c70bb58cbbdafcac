package org.sparkfinetune.engine.tensor;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.engine.StandardCapabilities;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.stream.Stream;
import org.sparkfinetune.engine.tensor.Processor.CpuAttention;
import org.sparkfinetune.errors.RunFailure;

/**
 * libtorch in this process, with our scripts loaded. Safe for several threads; each works in a
 * {@link Scope} of its own.
 */
public final class Torch implements AutoCloseable {
  /** Far below the 2 GiB of a Java buffer: so much is copied, sent or received at a time. */
  public static final long BUFFER_BYTES = 64L << 20;

  private final PtNDManager root;
  private final PtSymbolBlock module;
  private final ComputeDevice device;
  private final long bufferBytes;
  private final OperatorTimes times = new OperatorTimes();

  private Torch(PtNDManager root, PtSymbolBlock module, ComputeDevice device, long bufferBytes) {
    this.root = root;
    this.module = module;
    this.device = device;
    this.bufferBytes = bufferBytes;
  }

  /**
   * Tensors live in the host's memory.
   *
   * @see #start(int, ComputeDevice)
   */
  public static Torch start(int threads) {
    return start(threads, new ComputeDevice.Cpu());
  }

  /**
   * Loads libtorch (its natives are unpacked once a host) and compiles the scripts.
   *
   * @param threads for operators; cores of the process divided by the ranks in it
   * @param device of all tensors
   * @throws RunFailure if the native library cannot be loaded
   */
  public static Torch start(int threads, ComputeDevice device) {
    return start(threads, device, BUFFER_BYTES);
  }

  /**
   * @param bufferBytes the longest buffer that host code is given of a flat tensor
   */
  public static Torch start(int threads, ComputeDevice device, long bufferBytes) {
    return start(threads, device, CpuAttention.here(), bufferBytes);
  }

  static Torch start(int threads, ComputeDevice device, CpuAttention attention) {
    return start(threads, device, attention, BUFFER_BYTES);
  }

  private static Torch start(
      int threads, ComputeDevice device, CpuAttention attention, long bufferBytes) {
    System.setProperty("ai.djl.pytorch.num_threads", Integer.toString(threads));
    Engine engine = engine();
    JniUtils.setNumThreads(threads);
    JniUtils.setGraphExecutorOptimize(false);
    // Scripts put tensors where they belong; DJL's own device is that of memory it makes itself.
    PtNDManager root = (PtNDManager) engine.newBaseManager(Device.cpu());
    try (InputStream archive = Scripts.archive(attention)) {
      Torch torch =
          new Torch(root, JniUtils.loadModule(root, archive, true, false), device, bufferBytes);
      // Pinned memory goes with the GPU that the process used first.
      new HostMemory(torch).catchUp();
      return torch;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (EngineException e) {
      throw unstarted(e);
    }
  }

  /**
   * Whether libtorch here is built for CUDA and finds a GPU.
   *
   * @throws RunFailure if the native library cannot be loaded
   */
  public static boolean hasCuda() {
    return engine().hasCapability(StandardCapabilities.CUDA);
  }

  private static Engine engine() {
    System.setProperty("ai.djl.offline", "true");
    try {
      return Engine.getEngine("PyTorch");
    } catch (EngineException | UnsatisfiedLinkError e) {
      throw unstarted(e);
    }
  }

  private static RunFailure unstarted(Throwable cause) {
    return new RunFailure(
        "libtorch could not be started on this host: "
            + cause.getMessage()
            + ". It needs Linux on x86-64 with glibc and about 1 GB in the folder named by"
            + " DJL_CACHE_DIR (default: .djl.ai in the home folder).",
        cause);
  }

  public Scope scope() {
    return new Scope((PtNDManager) root.newSubManager());
  }

  public int threads() {
    return JniUtils.getNumThreads();
  }

  /**
   * Lets scripts run as they are written on this thread too, as on the one that started libtorch:
   * elsewhere libtorch watches them and compiles what it saw anew for every shape.
   */
  public void useOnThisThread() {
    JniUtils.setGraphExecutorOptimize(false);
  }

  /** Of this process's operators since the start. */
  public OperatorTimes times() {
    return times;
  }

  public ComputeDevice device() {
    return device;
  }

  /** The longest buffer that host code is given of a flat tensor. */
  long bufferBytes() {
    return bufferBytes;
  }

  Tensor tensor(Scope scope, String method, IValue... arguments) {
    try (IValue result = run(method, arguments)) {
      return new Tensor(result.toTensor(scope.manager()), memory());
    }
  }

  /** A tensor that the script makes in the host's memory. */
  Tensor onHost(Scope scope, String method, IValue... arguments) {
    try (IValue result = run(method, arguments)) {
      return new Tensor(result.toTensor(scope.manager()), Tensor.Memory.OF_HOST);
    }
  }

  private Tensor.Memory memory() {
    return device.sharesHostMemory() ? Tensor.Memory.OF_HOST : Tensor.Memory.OF_DEVICE;
  }

  List<Tensor> tensors(Scope scope, String method, IValue... arguments) {
    try (IValue result = run(method, arguments)) {
      return Stream.of(result.toTensorArray(scope.manager()))
          .map(array -> new Tensor(array, memory()))
          .toList();
    }
  }

  double number(String method, IValue... arguments) {
    try (IValue result = run(method, arguments)) {
      return result.toDouble();
    }
  }

  boolean truth(String method, IValue... arguments) {
    try (IValue result = run(method, arguments)) {
      return result.toBoolean();
    }
  }

  private IValue run(String method, IValue... arguments) {
    long start = System.nanoTime();
    try {
      return IValueUtils.runMethod(module, method, arguments);
    } finally {
      times.addSince(start, method);
      for (IValue argument : arguments) {
        argument.close();
      }
    }
  }

  static IValue value(Tensor tensor) {
    return IValue.from(tensor.array());
  }

  static IValue values(List<Tensor> tensors) {
    return IValue.listFrom(tensors.stream().map(Tensor::array).toArray(PtNDArray[]::new));
  }

  @Override
  public void close() {
    module.close();
    root.close();
  }
}
