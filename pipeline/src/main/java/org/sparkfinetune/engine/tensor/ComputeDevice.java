package org.sparkfinetune.engine.tensor;

import java.util.OptionalLong;
import org.sparkfinetune.errors.RunFailure;

/**
 * Where tensors live and operators run. On all but the CPU a tensor's memory is closed to host
 * code: values pass through {@link HostMemory}.
 */
public sealed interface ComputeDevice {
  /** As libtorch calls it. */
  String text();

  /** Whether host code sees tensors' memory, so that nothing has to be copied. */
  boolean sharesHostMemory();

  /** Without it libtorch emulates bfloat16, tens of times slower than float32. */
  default boolean hasBfloat16Arithmetic() {
    return Processor.hasBfloat16Arithmetic();
  }

  /** How much it is given at a time. */
  DeviceSizes sizes();

  /** Bytes that are this device's own; empty where tensors are in the host's memory. */
  default OptionalLong memory() {
    return OptionalLong.empty();
  }

  /** Those of them that nobody uses now; empty where that is not known. */
  default OptionalLong freeMemory() {
    return OptionalLong.empty();
  }

  /** The processor. */
  record Cpu() implements ComputeDevice {
    @Override
    public String text() {
      return "cpu";
    }

    @Override
    public boolean sharesHostMemory() {
      return true;
    }

    @Override
    public DeviceSizes sizes() {
      return DeviceSizes.OF_CPU;
    }
  }

  /**
   * A GPU of NVIDIA's.
   *
   * @param index among those that this process sees, as libtorch counts them
   * @param onHost its index of nvidia-smi, which pays no heed to CUDA_VISIBLE_DEVICES
   */
  record Cuda(int index, int onHost) implements ComputeDevice {
    public Cuda {
      if (index < 0 || onHost < 0) {
        throw new IllegalArgumentException(
            "a GPU's index is %s, nvidia-smi's is %s; they begin at 0".formatted(index, onHost));
      }
    }

    /** Where the process sees all GPUs of its host. */
    public Cuda(int index) {
      this(index, index);
    }

    @Override
    public String text() {
      return "cuda:" + index;
    }

    @Override
    public DeviceSizes sizes() {
      return DeviceSizes.OF_GPU;
    }

    @Override
    public boolean sharesHostMemory() {
      return false;
    }

    /** True: a run in bfloat16 on an older GPU is refused before it starts. */
    @Override
    public boolean hasBfloat16Arithmetic() {
      return true;
    }

    @Override
    public OptionalLong memory() {
      try {
        return OptionalLong.of(new NvidiaSmi().gpu(onHost).memory());
      } catch (RunFailure e) {
        return OptionalLong.empty();
      }
    }

    @Override
    public OptionalLong freeMemory() {
      try {
        return OptionalLong.of(new NvidiaSmi().free(index));
      } catch (RunFailure e) {
        return OptionalLong.empty();
      }
    }
  }

  /**
   * The processor with tensors' memory closed to host code, as a GPU's is: what would be copied to
   * and from a GPU is copied here too, and what host code must not touch fails. For tests.
   */
  record Staged(DeviceSizes sizes) implements ComputeDevice {
    public Staged() {
      this(DeviceSizes.OF_CPU);
    }

    @Override
    public String text() {
      return "cpu";
    }

    @Override
    public boolean sharesHostMemory() {
      return false;
    }
  }
}
