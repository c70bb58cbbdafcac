package org.sparkfinetune.plan;

import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What a run will take.
 *
 * @param ranks devices
 * @param advice what to change if it does not fit, cheapest first, each on top of those before
 * @param faster what takes more memory that is there, and less time
 */
public record Plan(
    Device device,
    int ranks,
    Memory memory,
    Timing timing,
    long trained,
    long frozen,
    List<Advice> advice,
    Optional<Advice> faster) {

  /**
   * One change of the configuration.
   *
   * @param change what to write
   * @param cost what it costs
   * @param needed bytes of a device with this and all changes before it
   * @param fits whether that is enough
   */
  public record Advice(String change, String cost, long needed, boolean fits) {}

  public Plan {
    advice = List.copyOf(advice);
  }

  /** Bytes that a rank may take of its device. */
  public long available() {
    return available(device, ranks);
  }

  static long available(Device device, int ranks) {
    return switch (device.kind()) {
      case GPU -> device.memoryBytes();
      case CPU -> device.memoryBytes() / Math.max(1, device.ranksOnHost(ranks));
    };
  }

  /** Whether a rank's memory is enough; pages of mapped files may be dropped and do not count. */
  public boolean fits() {
    return memory.needed() <= available();
  }

  /** Of the whole run in US dollars. */
  public OptionalDouble usd() {
    OptionalDouble hours = timing.hours();
    return hours.isPresent()
        ? OptionalDouble.of(hours.getAsDouble() * ranks * device.usdPerHour())
        : OptionalDouble.empty();
  }
}
