package org.sparkfinetune.tensor;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
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
import org.sparkfinetune.errors.RunFailure;

/**
 * libtorch in this process, with our scripts loaded. Safe for several threads; each works in a
 * {@link Scope} of its own.
 */
public final class Torch implements AutoCloseable {
  private final PtNDManager root;
  private final PtSymbolBlock module;
  private final String device;
  private final OperatorTimes times = new OperatorTimes();

  private Torch(PtNDManager root, PtSymbolBlock module, String device) {
    this.root = root;
    this.module = module;
    this.device = device;
  }

  /**
   * Loads libtorch (its natives are unpacked once a host) and compiles the scripts.
   *
   * @param threads for operators; cores of the process divided by the ranks in it
   * @throws RunFailure if the native library cannot be loaded
   */
  public static Torch start(int threads) {
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("ai.djl.pytorch.num_threads", Integer.toString(threads));
    try {
      Engine engine = Engine.getEngine("PyTorch");
      JniUtils.setNumThreads(threads);
      JniUtils.setGraphExecutorOptimize(false);
      PtNDManager root = (PtNDManager) engine.newBaseManager(Device.cpu());
      try (InputStream archive = Scripts.archive()) {
        return new Torch(root, JniUtils.loadModule(root, archive, true, false), "cpu");
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (EngineException | UnsatisfiedLinkError e) {
      throw new RunFailure(
          "libtorch could not be started on this host: "
              + e.getMessage()
              + ". It needs Linux on x86-64 with glibc and about 1 GB in the folder named by"
              + " DJL_CACHE_DIR (default: .djl.ai in the home folder).",
          e);
    }
  }

  public Scope scope() {
    return new Scope((PtNDManager) root.newSubManager());
  }

  public int threads() {
    return JniUtils.getNumThreads();
  }

  /** Of this process's operators since the start. */
  public OperatorTimes times() {
    return times;
  }

  String device() {
    return device;
  }

  Tensor tensor(Scope scope, String method, IValue... arguments) {
    try (IValue result = run(method, arguments)) {
      return new Tensor(result.toTensor(scope.manager()));
    }
  }

  List<Tensor> tensors(Scope scope, String method, IValue... arguments) {
    try (IValue result = run(method, arguments)) {
      return Stream.of(result.toTensorArray(scope.manager())).map(Tensor::new).toList();
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
