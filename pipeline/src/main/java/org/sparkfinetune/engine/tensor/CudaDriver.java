package org.sparkfinetune.engine.tensor;

import com.sun.jna.Library;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.engine.tensor.ComputeDevice.Cuda;
import org.sparkfinetune.errors.RunFailure;

/**
 * One GPU through CUDA's driver: loads compiled kernels and launches them. It works in the context
 * that libtorch uses, the device's primary one, and in the stream that libtorch's operators run in,
 * the default one; so kernels and operators keep their order.
 */
final class CudaDriver {
  private static final int MAJOR = 75;
  private static final int MINOR = 76;
  private static final int THREADS = 256;

  private final Functions functions;
  private final Cuda device;
  private final Pointer context;
  private final String architecture;

  /** Names and types are those of cuda.h. */
  interface Functions extends Library {
    int cuInit(int flags);

    int cuDeviceGet(IntByReference device, int ordinal);

    int cuDeviceGetAttribute(IntByReference value, int attribute, int device);

    int cuDevicePrimaryCtxRetain(PointerByReference context, int device);

    int cuCtxSetCurrent(Pointer context);

    int cuModuleLoadData(PointerByReference module, byte[] image);

    int cuModuleGetFunction(PointerByReference function, Pointer module, String name);

    int cuLaunchKernel(
        Pointer function,
        int gridX,
        int gridY,
        int gridZ,
        int blockX,
        int blockY,
        int blockZ,
        int sharedBytes,
        @Nullable Pointer stream,
        Pointer parameters,
        @Nullable Pointer extra);

    int cuGetErrorString(int error, PointerByReference text);
  }

  /**
   * @throws RunFailure if there is no driver or no such GPU
   */
  static CudaDriver open(Cuda device) {
    try {
      return new CudaDriver(Native.load("libcuda.so.1", Functions.class), device);
    } catch (UnsatisfiedLinkError e) {
      throw new RunFailure(
          "There is no driver of NVIDIA's on this host: libcuda.so.1 cannot be loaded.", e);
    }
  }

  CudaDriver(Functions functions, Cuda gpu) {
    this.functions = functions;
    this.device = gpu;
    check(functions.cuInit(0), "cuInit");
    IntByReference handle = new IntByReference();
    check(functions.cuDeviceGet(handle, gpu.index()), "cuDeviceGet");
    IntByReference major = new IntByReference();
    IntByReference minor = new IntByReference();
    check(functions.cuDeviceGetAttribute(major, MAJOR, handle.getValue()), "cuDeviceGetAttribute");
    check(functions.cuDeviceGetAttribute(minor, MINOR, handle.getValue()), "cuDeviceGetAttribute");
    this.architecture = "sm_%s%s".formatted(major.getValue(), minor.getValue());
    PointerByReference own = new PointerByReference();
    check(functions.cuDevicePrimaryCtxRetain(own, handle.getValue()), "cuDevicePrimaryCtxRetain");
    this.context = own.getValue();
  }

  /** As the compiler calls it. */
  String architecture() {
    return architecture;
  }

  /** Makes the GPU the calling thread's. */
  void use() {
    check(functions.cuCtxSetCurrent(context), "cuCtxSetCurrent");
  }

  /** A function on the GPU, and its name there. */
  record Kernel(String name, Pointer function) {}

  /** Functions of a compiled module. */
  interface Module {
    Kernel kernel(String name);
  }

  Module load(byte[] cubin) {
    use();
    PointerByReference module = new PointerByReference();
    check(functions.cuModuleLoadData(module, cubin), "cuModuleLoadData");
    return name -> {
      PointerByReference function = new PointerByReference();
      check(functions.cuModuleGetFunction(function, module.getValue(), name), name);
      return new Kernel(name, function.getValue());
    };
  }

  /**
   * Queues a kernel.
   *
   * @param threads at least so many
   * @param arguments Integer, Float, Long and Pointer, as the kernel declares them
   * @throws RunFailure if CUDA has failed, maybe in what was queued before
   */
  void launch(Kernel kernel, long threads, Object... arguments) {
    try {
      queue(kernel, threads, arguments);
    } catch (RunFailure e) {
      throw DeviceFailure.of(e, kernel.name(), device).orElse(e);
    }
  }

  private void queue(Kernel kernel, long threads, Object... arguments) {
    use();
    try (Memory values = new Memory(8L * arguments.length);
        Memory pointers = new Memory((long) Native.POINTER_SIZE * arguments.length)) {
      for (int i = 0; i < arguments.length; i++) {
        set(values, 8L * i, arguments[i]);
        pointers.setPointer((long) Native.POINTER_SIZE * i, values.share(8L * i));
      }
      int blocks = Math.toIntExact((threads + THREADS - 1) / THREADS);
      check(
          functions.cuLaunchKernel(
              kernel.function(), blocks, 1, 1, THREADS, 1, 1, 0, null, pointers, null),
          "cuLaunchKernel");
    }
  }

  private static void set(Memory values, long at, Object argument) {
    if (argument instanceof Integer number) {
      values.setInt(at, number);
    } else if (argument instanceof Float number) {
      values.setFloat(at, number);
    } else if (argument instanceof Long number) {
      values.setLong(at, number);
    } else if (argument instanceof Pointer pointer) {
      values.setPointer(at, pointer);
    } else {
      throw new IllegalArgumentException("a kernel's argument is a " + argument.getClass());
    }
  }

  private void check(int result, String what) {
    if (result != 0) {
      PointerByReference text = new PointerByReference();
      boolean known = functions.cuGetErrorString(result, text) == 0;
      throw new RunFailure(
          "CUDA driver error: %s failed: %s"
              .formatted(what, known ? text.getValue().getString(0) : "error " + result));
    }
  }
}
