package org.sparkfinetune.engine.train;

import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.NvidiaSmi;
import org.sparkfinetune.errors.RunFailure;

/**
 * What is in use of a rank's GPU, as the driver counts it: what libtorch keeps for later use, and
 * what others use, is in it.
 */
final class GpuMemory {
  private static final Logger LOG = LoggerFactory.getLogger(GpuMemory.class);

  private final NvidiaSmi smi;
  private final AtomicLong peak = new AtomicLong();

  GpuMemory() {
    this(new NvidiaSmi());
  }

  GpuMemory(NvidiaSmi smi) {
    this.smi = smi;
  }

  /** Looks at a GPU until closed; at nothing on the CPU. */
  NvidiaSmi.Watch watch(ComputeDevice device) {
    if (device instanceof ComputeDevice.Cuda cuda) {
      try {
        return smi.used(cuda.index(), bytes -> peak.accumulateAndGet(bytes, Math::max));
      } catch (RunFailure e) {
        LOG.warn("peak_gpu_bytes will be 0: {}", e.getMessage());
      }
    }
    return () -> {};
  }

  /** The most that was seen; 0 on the CPU. */
  long peakBytes() {
    return peak.get();
  }
}
