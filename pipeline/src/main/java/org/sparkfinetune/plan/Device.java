package org.sparkfinetune.plan;

/**
 * What a rank computes on.
 *
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

  /** Of so many in all, one on each device. */
  int ranksOnHost(int ranks) {
    return Math.min(ranks, perHost);
  }

  /** The same machine with so many ranks on each host. */
  Device withPerHost(int devices) {
    return new Device(
        name, kind, memoryBytes, flops, memoryBandwidth, hostLink, devices, network, usdPerHour);
  }
}
