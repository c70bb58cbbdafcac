package org.sparkfinetune.plan;

import org.sparkfinetune.plan.Workload.Offload;

/**
 * Where frozen weights are, packed as they are stored. A GPU keeps what there is room for, its own
 * part or another rank's: that is neither fetched nor copied again. The rest comes from the host
 * once a direction and group, copied while other layers are computed; with {@code offload} that is
 * all of it.
 *
 * @param resident bytes on each GPU
 * @param streamed bytes that come over the host link
 */
record Residency(long resident, long streamed) {
  /** Of what is left of a GPU's memory: the rest is for what a plan does not see. */
  private static final double KEPT_SHARE = 0.9;

  /**
   * @param needed bytes of the device without frozen weights
   */
  static Residency of(Workload work, Device device, long needed) {
    long frozen = work.frozen();
    if (work.offload() == Offload.ON_HOST) {
      return new Residency(0, frozen);
    }
    long left = Math.max(0, device.memoryBytes() - needed);
    long resident = Math.min(frozen, Math.round(KEPT_SHARE * left));
    return new Residency(resident, frozen - resident);
  }

  /** Of the frozen weights, what is streamed. */
  double share() {
    return resident + streamed == 0 ? 0 : (double) streamed / (resident + streamed);
  }
}
