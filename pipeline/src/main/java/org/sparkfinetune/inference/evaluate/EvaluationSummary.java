package org.sparkfinetune.inference.evaluate;

import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.sparkfinetune.inference.evaluate.ModelResult.Difference;
import org.sparkfinetune.inference.evaluate.ModelResult.Mean;
import org.sparkfinetune.inference.evaluate.ModelResult.Proportion;
import org.sparkfinetune.inference.evaluate.SampleResult.Answer;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict;

/**
 * A report for the terminal: each model's metrics, what is added from model to model, and the
 * answers to the first samples.
 */
final class EvaluationSummary {
  private static final int SHOWN = 10;

  private final EvaluationReport report;
  private final int width;

  EvaluationSummary(EvaluationReport report) {
    this.report = report;
    this.width = report.models().keySet().stream().mapToInt(String::length).reduce(10, Math::max);
  }

  String text() {
    StringBuilder text = new StringBuilder();
    line(text, "%d samples", report.questions().size());
    report.models().forEach((name, result) -> model(text, name, result));
    for (EvaluationReport.Pair pair : report.pairs()) {
      Map<String, Difference> differences = report.differences(pair);
      if (!differences.isEmpty()) {
        line(text, "from %s to %s%s", pair.from(), pair.to(), words(differences));
      }
    }
    for (int i = 0; i < Math.min(SHOWN, report.questions().size()); i++) {
      sample(text, i);
    }
    return text.toString();
  }

  private static void line(StringBuilder text, String format, Object... values) {
    text.append(String.format(Locale.ROOT, format, values)).append(System.lineSeparator());
  }

  private void model(StringBuilder text, String name, ModelResult result) {
    String loss = result.loss().map(EvaluationSummary::loss).orElse("");
    String metrics =
        report.metrics().stream()
            .map(metric -> metric(metric, result))
            .collect(Collectors.joining());
    String truncated =
        result
            .truncated()
            .filter(count -> count > 0)
            .map(count -> "  %s answers truncated at max_new_tokens".formatted(count))
            .orElse("");
    line(text, "%s%s%s%s", padded(name), loss, metrics, truncated);
  }

  private String padded(String name) {
    return name + " ".repeat(width - name.length());
  }

  private static String loss(Mean loss) {
    return String.format(
        Locale.ROOT,
        "  loss %.4f (%.4f to %.4f)  perplexity %.2f",
        loss.value(),
        loss.low(),
        loss.high(),
        Math.exp(loss.value()));
  }

  private String metric(AnswerMetric metric, ModelResult result) {
    Optional<String> measured =
        switch (metric.scale()) {
          case HIT -> result.share(metric.name()).map(this::words);
          case GRADE -> result.mean(metric.name()).map(this::words);
        };
    return measured.map(words -> "  " + shortened(metric.name()) + words).orElse("");
  }

  private static String shortened(String metric) {
    return metric.replace("_match", "");
  }

  private String words(Proportion share) {
    return percent(share.value(), share.low(), share.high()) + judged(share.count());
  }

  private String words(Mean mean) {
    return percent(mean.value(), mean.low(), mean.high()) + judged(mean.tokens());
  }

  private static String percent(double value, double low, double high) {
    return String.format(
        Locale.ROOT, " %.1f %% (%.1f to %.1f)", 100 * value, 100 * low, 100 * high);
  }

  /** Of how many, where it is not all. */
  private String judged(long count) {
    return count == report.questions().size() ? "" : " of " + count;
  }

  private static String words(Map<String, Difference> differences) {
    return differences.entrySet().stream()
        .map(
            entry ->
                entry.getKey().equals("loss")
                    ? words("loss", "%+.4f (%+.4f to %+.4f)", 1, entry.getValue())
                    : words(
                        shortened(entry.getKey()), "%+.1f (%+.1f to %+.1f)", 100, entry.getValue()))
        .collect(Collectors.joining());
  }

  private static String words(String name, String format, int times, Difference difference) {
    return "  %s "
        .formatted(name)
        .concat(
            String.format(
                Locale.ROOT,
                format,
                times * difference.value(),
                times * difference.low(),
                times * difference.high()));
  }

  private void sample(StringBuilder text, int i) {
    line(text, "%n%d. %s %s", i + 1, padded("expected"), oneLine(report.expected().get(i)));
    report
        .models()
        .forEach(
            (name, result) -> {
              SampleResult sample = result.samples().get(i);
              line(
                  text,
                  "   %s %s%s",
                  padded(name),
                  oneLine(sample.answer().map(Answer::text).orElse("")),
                  sample.verdict().map(v -> "   [" + words(v) + "]").orElse(""));
            });
  }

  private static String oneLine(String text) {
    return text.replace("\n", "\\n");
  }

  private static String words(Verdict verdict) {
    String kind = verdict.kind().name().toLowerCase(Locale.ROOT).replace('_', ' ');
    return verdict.reason().isEmpty() ? kind : kind + ": " + verdict.reason();
  }
}
