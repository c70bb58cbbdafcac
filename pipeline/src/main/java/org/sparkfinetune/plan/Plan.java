package org.sparkfinetune.plan;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What a run will take.
 *
 * @param ranks devices
 * @param offloaded a step with all frozen weights on the host, if some of them are kept on the
 *     device
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
    Optional<Timing> offloaded,
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

  /** A plan for programs. */
  public static final class PlanJson {
    private PlanJson() {}

    /** One JSON document. */
    public static String of(Plan plan) {
      ObjectNode node = JsonNodeFactory.instance.objectNode();
      node.put("gpus", plan.ranks()).put("gpu_type", plan.device().name());
      node.put("trained_parameters", plan.trained()).put("frozen_bytes", plan.frozen());
      node.put("fits", plan.fits()).put("available_bytes", plan.available());
      node.put("needed_bytes", plan.memory().needed());
      node.put("mapped_bytes", plan.memory().mapped());
      node.put("resident_bytes", plan.memory().resident());
      node.set("memory", memory(plan.memory().lines()));
      node.set("host_memory_per_gpu", memory(plan.memory().hostLines()));
      node.put("disk_bytes_per_host", plan.memory().disk());
      node.put("checkpoint_bytes", plan.memory().checkpoint());
      Timing timing = plan.timing();
      node.put("step_seconds", timing.stepSeconds());
      node.put("bound_by", timing.bound().name().toLowerCase(Locale.ROOT));
      Timing.Kernels kernels = timing.kernels();
      node.put("product_seconds", kernels.products());
      node.put("attention_seconds", kernels.attention());
      node.put("elementwise_seconds", kernels.elementwise());
      node.put("dropout_seconds", kernels.dropout());
      node.put("decode_seconds", kernels.decode());
      node.put("launch_seconds", kernels.launches());
      node.put("network_seconds", timing.networkSeconds());
      node.put("host_link_seconds", timing.linkSeconds());
      node.put("exchange_bytes_per_step", timing.exchangeBytes());
      node.put("groups_per_step", timing.groups());
      node.put("tokens_per_step", timing.tokensPerStep());
      node.put("tokens_per_second", timing.tokensPerSecond());
      timing.steps().ifPresent(steps -> node.put("steps", steps));
      timing.hours().ifPresent(hours -> node.put("hours", hours));
      plan.usd().ifPresent(usd -> node.put("usd", usd));
      plan.offloaded().ifPresent(all -> node.put("offload_step_seconds", all.stepSeconds()));
      ArrayNode advice = node.putArray("advice");
      plan.advice().forEach(one -> put(advice.addObject(), one));
      plan.faster().ifPresent(faster -> put(node.putObject("faster"), faster));
      return node.toPrettyString();
    }

    private static void put(ObjectNode node, Plan.Advice advice) {
      node.put("change", advice.change())
          .put("cost", advice.cost())
          .put("needed_bytes", advice.needed())
          .put("fits", advice.fits());
    }

    private static ObjectNode memory(List<Memory.Line> lines) {
      ObjectNode node = JsonNodeFactory.instance.objectNode();
      for (Memory.Line line : lines) {
        String key = line.kind().name().toLowerCase(Locale.ROOT);
        node.put(key, node.path(key).asLong() + line.bytes());
      }
      return node;
    }
  }
}
