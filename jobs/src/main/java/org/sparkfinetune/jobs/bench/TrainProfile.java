package org.sparkfinetune.jobs.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.sparkfinetune.engine.metrics.Summary.Phase;
import org.sparkfinetune.engine.tensor.OperatorTimes;
import org.sparkfinetune.engine.train.RankReport;
import org.sparkfinetune.plan.CpuProbe.LayerProducts;

/**
 * Where a rank's time went, and how near its products came to what its threads can do. Small ones,
 * of LoRA and of attention, are not counted.
 *
 * @param head operations of its products for one token, both directions
 * @param tokens that went through the rank
 * @param limit operations a second of products alone, on one rank's share of the machine
 */
record TrainProfile(
    RankReport report, LayerProducts layers, double head, double tokens, double limit) {
  /** Each phase, then each operator inside the phases; the longest first. */
  String text() {
    double all = report.seconds().values().stream().mapToDouble(Double::doubleValue).sum();
    List<String> lines = new ArrayList<>();
    lines.add(line("rank 0, all steps", all, all));
    report.seconds().entrySet().stream()
        .sorted(Map.Entry.<Phase, Double>comparingByValue().reversed())
        .forEach(
            e -> lines.add(line(e.getKey().name().toLowerCase(Locale.ROOT), e.getValue(), all)));
    lines.add(text("of these, in operators; products alone reach %.0f GFLOP/s", limit * 1e-9));
    report.operators().entrySet().stream()
        .sorted(Map.Entry.comparingByValue((a, b) -> Double.compare(b.seconds(), a.seconds())))
        .forEach(e -> lines.add(line(e.getKey(), e.getValue(), all)));
    return String.join("\n", lines);
  }

  /** Of the limit, at so many tokens a second of this rank. */
  double share(double tokensPerSecond) {
    return tokensPerSecond * (layers.forward() + layers.backward() + head) / limit;
  }

  private String line(String name, OperatorTimes.Use use, double all) {
    String line = line(name, use.seconds(), all) + text(" %7d calls", use.calls());
    double operations = tokens * operationsOfToken(name);
    return operations == 0
        ? line
        : line + text(" %5.1f %% of the limit", 100 * operations / use.seconds() / limit);
  }

  private static String line(String name, double seconds, double all) {
    return text("%-20s %9.2f s %5.1f %%", name, seconds, 100 * seconds / all);
  }

  private double operationsOfToken(String operator) {
    return switch (operator) {
      case "layer" -> layers.forward();
      case "layer_backward" -> layers.backward();
      case "head_loss", "head_chunk" -> head;
      default -> 0;
    };
  }

  private static String text(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
