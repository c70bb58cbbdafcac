package org.sparkfinetune.plan;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/** A plan for people. */
public final class PlanText {
  private static final double GIB = 1L << 30;

  private PlanText() {}

  /** Lines without line ends. */
  public static List<String> lines(Plan plan) {
    List<String> lines = new ArrayList<>();
    Device device = plan.device();
    lines.add(
        format(
            "%d x %s (%.1f GiB each), %s trained numbers, %.1f GiB of frozen weights between them",
            plan.ranks(),
            device.name(),
            plan.available() / GIB,
            grouped(plan.trained()),
            plan.frozen() / GIB));
    lines.add("");
    lines.add(device.kind() == Device.Kind.CPU ? "Memory of a rank:" : "Memory of a GPU:");
    plan.memory().lines().forEach(line -> lines.add(line(line)));
    lines.add(
        format(
            "  %-22s %8.2f GiB  %s",
            "at its peak",
            plan.memory().needed() / GIB,
            plan.fits()
                ? "fits"
                : String.format(
                    Locale.ROOT, "DOES NOT FIT: there are %.1f GiB", plan.available() / GIB)));
    frozen(plan, lines);
    if (!plan.memory().hostLines().isEmpty()) {
      lines.add("Memory of the host, for each of its GPUs:");
      plan.memory().hostLines().forEach(line -> lines.add(line(line)));
    }
    lines.add(format("Disk of a host: %.1f GiB of shard files", plan.memory().disk() / GIB));
    lines.add(format("A checkpoint: %.2f GiB", plan.memory().checkpoint() / GIB));
    lines.add("");
    time(plan, lines);
    if (!plan.advice().isEmpty()) {
      lines.add("");
      lines.add("To make it fit, cheapest first, each on top of the ones before:");
      plan.advice().forEach(advice -> lines.add(line(advice)));
    }
    plan.faster()
        .ifPresent(
            faster -> {
              lines.add("");
              lines.add("There is memory for more speed:");
              lines.add(line(faster));
            });
    return lines;
  }

  private static String line(Plan.Advice advice) {
    return format(
        "  %-46s %7.2f GiB  %-4s (%s)",
        advice.change(), advice.needed() / GIB, advice.fits() ? "fits" : "", advice.cost());
  }

  private static String line(Memory.Line line) {
    return format(
        "  %-22s %8.2f GiB%s",
        line.kind().text(),
        line.bytes() / GIB,
        switch (line.backing()) {
          case FILE -> "  (pages of files, may be dropped)";
          case WHAT_IS_LEFT -> "  (as far as there is room)";
          case ANONYMOUS -> "";
        });
  }

  /** Of a GPU: kept there, and all on the host. */
  private static void frozen(Plan plan, List<String> lines) {
    plan.offloaded()
        .ifPresent(
            all ->
                lines.add(
                    format(
                        "With %.1f of %.1f GiB of frozen weights on the GPU, %.1f GiB in all, a"
                            + " step takes %.2f s; with all of them on the host (offload), %.1f"
                            + " GiB, %.2f s.",
                        plan.memory().resident() / GIB,
                        plan.frozen() / GIB,
                        (plan.memory().needed() + plan.memory().resident()) / GIB,
                        plan.timing().stepSeconds(),
                        plan.memory().needed() / GIB,
                        all.stepSeconds())));
  }

  private static void time(Plan plan, List<String> lines) {
    Timing timing = plan.timing();
    lines.add(
        format(
            "A step of %s tokens: %.2f s, bound by %s (computing %.2f s, unpacking %.2f s, network"
                + " %.2f s, host link %.2f s; %.2f GB exchanged by a rank)",
            grouped(timing.tokensPerStep()),
            timing.stepSeconds(),
            timing.bound().text(),
            timing.kernels().busy() - timing.kernels().decode(),
            timing.kernels().decode(),
            timing.networkSeconds(),
            timing.linkSeconds(),
            timing.exchangeBytes() / 1e9));
    if (plan.device().kind() == Device.Kind.GPU) {
      lines.add(
          format(
              "Of computing: products %.2f s, attention %.2f s, norms and activations %.2f s, dropout"
                  + " %.2f s. Starting kernels takes the host %.2f s meanwhile.",
              timing.kernels().products(),
              timing.kernels().attention(),
              timing.kernels().elementwise(),
              timing.kernels().dropout(),
              timing.kernels().launches()));
    }
    if (timing.groups() > 1) {
      lines.add(
          format(
              "It runs in %d groups of batches, as activation_memory allows no more at a time.",
              timing.groups()));
    }
    lines.add(format("%s tokens a second", grouped(Math.round(timing.tokensPerSecond()))));
    OptionalDouble hours = timing.hours();
    if (hours.isEmpty()) {
      lines.add("Hours: the data is not known; set max_steps, or say --tokens N.");
      return;
    }
    String cost =
        plan.device().usdPerHour() == 0 ? "" : format(", %.2f USD", plan.usd().orElseThrow());
    lines.add(
        format(
            "%s steps: %.2f hours%s (without evaluation and start)",
            grouped(timing.steps().orElseThrow()), hours.getAsDouble(), cost));
  }

  private static String grouped(long number) {
    return format("%,d", number);
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
