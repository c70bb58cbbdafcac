package org.sparkfinetune.engine.tensor;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
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
import java.util.Optional;
import java.util.stream.Stream;
import org.sparkfinetune.config.TrainConfig.Compute;
import org.sparkfinetune.engine.tensor.Processor.CpuAttention;
import org.sparkfinetune.errors.RunFailure;

/**
 * libtorch in this process, with our scripts loaded. Safe for several threads; each works in a
 * {@link Scope} of its own.
 */
public final class Torch implements AutoCloseable {
  /** Far below the 2 GiB of a Java buffer: so much is copied, sent or received at a time. */
  public static final long BUFFER_BYTES = 64L << 20;

  /** Whether sums on a GPU have an order; on a CPU they always have one. */
  public enum Determinism {
    /** The same inputs give the same bits. */
    SAME_BITS,
    /** Attention's backward and gradients of embeddings add up in any order, which is faster. */
    FASTEST;

    public static Determinism of(Compute compute) {
      return compute.deterministic() ? SAME_BITS : FASTEST;
    }

    /** For logs and {@code check}: what a GPU does. */
    public String text() {
      return switch (this) {
        case SAME_BITS ->
            "deterministic: the same run gives the same bits; attention's backward is the"
                + " memory-efficient one";
        case FASTEST ->
            "deterministic: false; two equal runs may differ in the last bits; attention is flash"
                + " attention forward and backward";
      };
    }
  }

  /**
   * Lets scripts run as they are written. libtorch keeps that for each thread; on others it watches
   * them and compiles what it saw anew for every shape, which takes longer than small runs.
   */
  private static final ThreadLocal<Boolean> AS_WRITTEN =
      ThreadLocal.withInitial(
          () -> {
            JniUtils.setGraphExecutorOptimize(false);
            return true;
          });

  private final PtNDManager root;
  private final PtSymbolBlock module;
  private final ComputeDevice device;
  private final long bufferBytes;
  private final Optional<CudaKernels> kernels;
  private final OperatorTimes times = new OperatorTimes();

  private Torch(PtNDManager root, PtSymbolBlock module, ComputeDevice device, long bufferBytes) {
    this.root = root;
    this.module = module;
    this.device = device;
    this.bufferBytes = bufferBytes;
    this.kernels = CudaKernels.of(device);
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
    return start(threads, device, CpuAttention.here(), Determinism.SAME_BITS, bufferBytes);
  }

  /**
   * @see #start(int, ComputeDevice)
   */
  public static Torch start(int threads, ComputeDevice device, Determinism determinism) {
    return start(threads, device, CpuAttention.here(), determinism, BUFFER_BYTES);
  }

  static Torch start(int threads, ComputeDevice device, CpuAttention attention) {
    return start(threads, device, attention, Determinism.SAME_BITS, BUFFER_BYTES);
  }

  private static Torch start(
      int threads,
      ComputeDevice device,
      CpuAttention attention,
      Determinism determinism,
      long bufferBytes) {
    System.setProperty("ai.djl.pytorch.num_threads", Integer.toString(threads));
    Engine engine = engine();
    JniUtils.setNumThreads(threads);
    // Scripts put tensors where they belong; DJL's own device is that of memory it makes itself.
    PtNDManager root = (PtNDManager) engine.newBaseManager(Device.cpu());
    try (InputStream archive = Scripts.operators(attention, determinism)) {
      Torch torch =
          new Torch(root, JniUtils.loadModule(root, archive, true, false), device, bufferBytes);
      // Pinned memory goes with the GPU that the process used first.
      new HostMemory(torch).catchUp();
      return torch;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (EngineException e) {
      throw device instanceof ComputeDevice.Cuda gpu ? unusable(gpu, e) : unstarted(e);
    }
  }

  private static RunFailure unusable(ComputeDevice.Cuda gpu, EngineException e) {
    CudaTrouble trouble = CudaTrouble.said(String.valueOf(e.getMessage()));
    return new RunFailure(
        "libtorch cannot compute on GPU %s of this host (%s): %s. %s."
            .formatted(gpu.onHost(), gpu.text(), trouble.what(), trouble.advice()),
        e);
  }

  /**
   * Why libtorch here cannot compute on a GPU; empty if it can. Makes a number there, by which this
   * process takes some hundred megabytes of the GPU's memory.
   *
   * @throws RunFailure if the native library cannot be loaded
   * @throws org.sparkfinetune.errors.UserError if the environment names another libtorch than this
   *     one
   */
  public static Optional<CudaTrouble> trouble(ComputeDevice.Cuda gpu) {
    try (NDManager manager = engine().newBaseManager(Device.gpu(gpu.index()))) {
      float unused = manager.zeros(new Shape(1)).getFloat();
      return Optional.empty();
    } catch (EngineException e) {
      return Optional.of(CudaTrouble.said(String.valueOf(e.getMessage())));
    }
  }

  private static Engine engine() {
    LibtorchFolder.here().check();
    System.setProperty("ai.djl.offline", "true");
    try {
      return Engine.getEngine("PyTorch");
    } catch (EngineException | UnsatisfiedLinkError e) {
      throw unstarted(e);
    }
  }

  /** The deepest cause names the library that is missing; those around it only that one is. */
  private static RunFailure unstarted(Throwable failure) {
    Throwable cause = failure;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    String words = String.valueOf(cause.getMessage());
    return new RunFailure(
        "libtorch could not be started on this host: %s. %s"
            .formatted(words, LibtorchFolder.adviceOn(words)),
        failure);
  }

  public Scope scope() {
    return new Scope((PtNDManager) root.newSubManager());
  }

  /** Another archive of scripts, to be closed by the caller. */
  PtSymbolBlock load(InputStream archive) {
    try (archive) {
      return JniUtils.loadModule(root, archive, true, false);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public int threads() {
    return JniUtils.getNumThreads();
  }

  /** Of this process's operators since the start. */
  public OperatorTimes times() {
    return times;
  }

  /** Kernels of our own, where there are any. */
  Optional<CudaKernels> kernels() {
    return kernels;
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

  /** A tensor that shares the memory of another. */
  Tensor view(Scope scope, Tensor.Memory memory, IValue... range) {
    try (IValue result = run("view", range)) {
      return new Tensor(result.toTensor(scope.manager()), memory);
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

  /** For its effects, with arguments that stay open. */
  void again(String method, IValue... arguments) {
    long start = System.nanoTime();
    try {
      run(module, method, arguments).close();
    } finally {
      times.addSince(start, method);
    }
  }

  private IValue run(String method, IValue... arguments) {
    long start = System.nanoTime();
    try {
      return run(module, method, arguments);
    } finally {
      times.addSince(start, method);
      for (IValue argument : arguments) {
        argument.close();
      }
    }
  }

  /** Runs a script of any archive; its arguments stay open. */
  IValue run(PtSymbolBlock archive, String method, IValue... arguments) {
    AS_WRITTEN.get();
    try {
      return IValueUtils.runMethod(archive, method, arguments);
    } catch (EngineException e) {
      throw DeviceFailure.of(e, method, device).map(RuntimeException.class::cast).orElse(e);
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
