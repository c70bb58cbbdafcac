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
  }

  /**
   * A GPU of NVIDIA's.
   *
   * @param index among those that this process sees, in the order of nvidia-smi
   */
  record Cuda(int index) implements ComputeDevice {
    public Cuda {
      if (index < 0) {
        throw new IllegalArgumentException("a GPU's index is " + index + "; they begin at 0");
      }
    }

    @Override
    public String text() {
      return "cuda:" + index;
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
        return OptionalLong.of(new NvidiaSmi().gpu(index).memory());
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
  record Staged() implements ComputeDevice {
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
