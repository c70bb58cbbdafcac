package org.sparkfinetune.plan;

import java.util.Locale;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.model.family.DecoderConfig;

/**
 * What of a model's frozen weights a rank's GPU keeps, as they are stored, beside all else that a
 * run needs there.
 *
 * @param budget bytes that may stay
 * @param inUse bytes of all ranks' slices that layers and head need
 * @param passes over them in one optimizer step
 */
public record ResidentWeights(long budget, long inUse, int passes) {
  /** Of a GPU's memory, where the configuration does not say how much a run may use. */
  private static final double USED = 0.9;

  private static final double GB = 1e9;

  /** Of PCIe 4.0 with 16 lanes, as copies from pinned memory reach it. */
  private static final double LINK = 25e9;

  /**
   * For a GPU.
   *
   * @param memory of it, in bytes
   * @param ranks of the run
   */
  public static ResidentWeights of(
      TrainConfig config, DecoderConfig model, long memory, int ranks) {
    Device gpu = Device.gpu(memory, ranks);
    return of(Workload.of(config, model, gpu, ranks), gpu);
  }

  static ResidentWeights of(Workload work, Device gpu) {
    long usual = (long) (USED * gpu.memoryBytes());
    long allowed = Math.min(gpu.memoryBytes(), work.config().parallelism().gpuMemory().orElse(usual));
    long left = allowed - Memory.of(work.withOffload(), gpu).needed();
    boolean onDevice = work.offload() == Workload.Offload.ON_DEVICE;
    return new ResidentWeights(
        onDevice ? Math.max(0, left) : 0, work.frozenInUse(), 2 * work.groups(gpu));
  }

  /** Bytes that cross to the GPU in one optimizer step, once what stays is there. */
  public long crossing() {
    return passes * Math.max(0, inUse - budget);
  }

  /** For logs and {@code check}. */
  public String text() {
    if (crossing() == 0) {
      return String.format(Locale.ROOT, "all %.1f GB of frozen weights stay on the GPU", inUse / GB);
    }
    return String.format(
        Locale.ROOT,
        "%.1f of %.1f GB of frozen weights stay on the GPU; %.1f GB are copied there for each step,"
            + " which takes %.1f s at PCIe 4.0's 25 GB/s, beside computing",
        Math.min(budget, inUse) / GB,
        inUse / GB,
        crossing() / GB,
        crossing() / LINK);
  }
}
