package org.sparkfinetune.plan;

import java.util.OptionalLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.model.family.DecoderConfig;

/** How much of a model's frozen weights a GPU keeps beside all else that a run needs there. */
public final class ResidentWeights {
  /** Of a GPU's memory, where the configuration does not say how much a run may use. */
  static final double USED = 0.9;

  private static final Logger LOG = LoggerFactory.getLogger(ResidentWeights.class);

  private ResidentWeights() {}

  /**
   * Bytes of frozen weights that may stay on a rank's device; 0 for {@code offload}, and on a CPU,
   * where all weights are in the host's memory.
   *
   * @param ranks of the run
   */
  public static long bytes(
      TrainConfig config, DecoderConfig model, ComputeDevice device, int ranks) {
    if (!(device instanceof ComputeDevice.Cuda) || config.parallelism().offload()) {
      return 0;
    }
    OptionalLong memory = device.memory();
    if (memory.isEmpty()) {
      LOG.warn(
          "How much memory {} has is not known, so frozen weights stay on the host and are copied for each use. gpu_memory has no effect without nvidia-smi.",
          device.text());
      return 0;
    }
    Device gpu = Device.gpu(memory.getAsLong(), ranks);
    Workload work = Workload.of(config, model, gpu, ranks);
    long bytes = bytes(work, gpu, allowed(config, gpu));
    long most = work.frozen();
    LOG.info(
        "{}: {} GB of {} GB of frozen weights stay on it{}.",
        device.text(),
        "%.1f".formatted(Math.min(bytes, most) / 1e9),
        "%.1f".formatted(most / 1e9),
        bytes >= most ? "" : ", the rest is copied from the host for each use");
    return bytes;
  }

  /** What a run may use of a GPU. */
  static long allowed(TrainConfig config, Device gpu) {
    long usual = (long) (USED * gpu.memoryBytes());
    return Math.min(gpu.memoryBytes(), config.parallelism().gpuMemory().orElse(usual));
  }

  static long bytes(Workload work, Device gpu, long allowed) {
    return Math.max(0, allowed - Memory.of(work.withOffload(), gpu).needed());
  }
}
