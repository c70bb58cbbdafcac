package org.sparkfinetune.plan;

import java.util.Locale;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.plan.Workload.Offload;

/**
 * Where frozen weights are, packed as they are stored. A GPU keeps what there is room for, its own
 * part or another rank's: that is neither fetched nor copied again. The rest comes from the host
 * once a direction and group of batches, copied while other layers are computed; with {@code
 * offload} that is all of it.
 *
 * @param room bytes that a GPU has for them
 * @param lacking bytes by which all else exceeds what the run may use
 * @param inUse bytes of all ranks' slices that layers and head need
 * @param passes over them in one optimizer step
 */
public record Residency(long room, long lacking, long inUse, int passes) {
  /** Of a GPU's memory, where the configuration does not say how much a run may use. */
  private static final double USED = 0.9;

  private static final double GB = 1e9;

  /** Of PCIe 4.0 with 16 lanes, as copies from pinned memory reach it. */
  private static final double LINK = 25e9;

  /**
   * Of a run on GPUs.
   *
   * @param memory of one, in bytes
   */
  public static Residency of(TrainConfig config, DecoderConfig model, long memory, int ranks) {
    Device gpu = Device.gpu(memory, ranks);
    Workload work = Workload.of(config, model, gpu, ranks);
    return of(work, gpu, Memory.of(work, gpu).needed());
  }

  /**
   * @param needed bytes of the device without frozen weights
   */
  static Residency of(Workload work, Device device, long needed) {
    long usual = (long) (USED * device.memoryBytes());
    long allowed =
        Math.min(device.memoryBytes(), work.config().parallelism().gpuMemory().orElse(usual));
    long room = work.offload() == Offload.ON_HOST ? 0 : Math.max(0, allowed - needed);
    long lacking = Math.max(0, needed - allowed);
    return new Residency(room, lacking, work.frozenInUse(), 2 * work.groups(device));
  }

  /** Bytes that stay on a GPU. */
  public long resident() {
    return Math.min(room, inUse);
  }

  /** Bytes that cross to a GPU in one optimizer step, once what stays is there. */
  public long crossing() {
    return passes * (inUse - resident());
  }

  /** For logs and {@code check}. */
  public String text() {
    return lacking == 0
        ? frozen()
        : String.format(
            Locale.ROOT,
            "all but the frozen weights needs %.1f GB more of the GPU than the run may use"
                + " (gpu_memory, or nine tenths of it); %s",
            lacking / GB,
            frozen());
  }

  private String frozen() {
    if (crossing() == 0) {
      return String.format(
          Locale.ROOT, "all %.1f GB of frozen weights stay on the GPU", inUse / GB);
    }
    return String.format(
        Locale.ROOT,
        "%.1f of %.1f GB of frozen weights stay on the GPU; %.1f GB are copied there for each step,"
            + " which takes %.1f s at PCIe 4.0's 25 GB/s, beside computing",
        resident() / GB,
        inUse / GB,
        crossing() / GB,
        crossing() / LINK);
  }
}
