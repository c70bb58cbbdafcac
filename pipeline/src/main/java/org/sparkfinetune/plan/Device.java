package org.sparkfinetune.plan;

import org.sparkfinetune.engine.tensor.DeviceSizes;
import org.sparkfinetune.engine.tensor.Processor;

/**
 * What a rank computes on.
 *
 * @param bfloat16 what {@code bf16: true} means on it
 * @param memoryBytes of one device; for a CPU the host's
 * @param flops floating point operations a second that training reaches
 * @param memoryBandwidth bytes a second to the device's own memory
 * @param hostLink bytes a second from the host's memory to one device
 * @param perHost devices in a host
 * @param network bytes a second between hosts, of one host
 * @param usdPerHour for one device; 0 where it is yours
 */
public record Device(
    String name,
    Kind kind,
    Bfloat16 bfloat16,
    long memoryBytes,
    double flops,
    double memoryBandwidth,
    double hostLink,
    int perHost,
    double network,
    double usdPerHour) {

  /** What the memory of ranks consists of. */
  public enum Kind {
    /** Ranks share the host's memory, and frozen shards are mapped files. */
    CPU,
    /** A rank has a device's memory and its share of the host's. */
    GPU
  }

  /** Where bfloat16 is used. */
  public enum Bfloat16 {
    /** Everywhere: there is arithmetic for it. */
    COMPUTED,
    /** For what is kept between layers, whose inside is computed in float32. */
    STORED;

    /** What this machine's processor does. */
    public static Bfloat16 here() {
      return Processor.hasBfloat16Arithmetic() ? COMPUTED : STORED;
    }
  }

  /** A GPU of which nothing but its memory is known: for plans of memory, not of time. */
  static Device gpu(long memory, int perHost) {
    return new Device("GPU", Kind.GPU, Bfloat16.COMPUTED, memory, 1, 1, 1, perHost, 1, 0);
  }

  /** What the trainer gives it at a time. */
  DeviceSizes sizes() {
    return kind == Kind.CPU ? DeviceSizes.OF_CPU : DeviceSizes.OF_GPU;
  }

  /** Of so many in all, one on each device. */
  int ranksOnHost(int ranks) {
    return Math.min(ranks, perHost);
  }

  /** The same machine with so many ranks on each host. */
  Device withPerHost(int devices) {
    return new Device(
        name,
        kind,
        bfloat16,
        memoryBytes,
        flops,
        memoryBandwidth,
        hostLink,
        devices,
        network,
        usdPerHour);
  }
}
