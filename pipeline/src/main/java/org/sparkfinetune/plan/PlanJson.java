package org.sparkfinetune.plan;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;

/** A plan for programs. */
public final class PlanJson {
  private PlanJson() {}

  /** One JSON document. */
  public static String of(Plan plan) {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    node.put("gpus", plan.ranks()).put("gpu_type", plan.device().name());
    node.put("trained_parameters", plan.trained()).put("frozen_bytes", plan.frozen());
    node.put("fits", plan.fits()).put("available_bytes", plan.available());
    node.put("needed_bytes", plan.memory().needed());
    node.put("mapped_bytes", plan.memory().mapped());
    node.set("memory", memory(plan.memory().lines()));
    node.set("host_memory_per_gpu", memory(plan.memory().hostLines()));
    node.put("disk_bytes_per_host", plan.memory().disk());
    node.put("checkpoint_bytes", plan.memory().checkpoint());
    Timing timing = plan.timing();
    node.put("step_seconds", timing.stepSeconds());
    node.put("bound_by", timing.bound().name().toLowerCase(Locale.ROOT));
    node.put("compute_seconds", timing.computeSeconds());
    node.put("decode_seconds", timing.decodeSeconds());
    node.put("network_seconds", timing.networkSeconds());
    node.put("host_link_seconds", timing.linkSeconds());
    node.put("exchange_bytes_per_step", timing.exchangeBytes());
    node.put("groups_per_step", timing.groups());
    node.put("tokens_per_step", timing.tokensPerStep());
    node.put("tokens_per_second", timing.tokensPerSecond());
    timing.steps().ifPresent(steps -> node.put("steps", steps));
    timing.hours().ifPresent(hours -> node.put("hours", hours));
    plan.usd().ifPresent(usd -> node.put("usd", usd));
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
