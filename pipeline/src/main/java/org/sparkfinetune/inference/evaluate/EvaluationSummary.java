package org.sparkfinetune.inference.evaluate;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.sparkfinetune.inference.evaluate.SampleResult.Answer;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict;

/**
 * A report for the terminal: a table with a column for each model, one with a column for what is
 * added from one model to another, and the answers to the first samples.
 */
final class EvaluationSummary {
  private static final int SHOWN = 10;
  private static final String GAP = "  ";

  private final EvaluationReport report;
  private final int width;

  EvaluationSummary(EvaluationReport report) {
    this.report = report;
    this.width = width(List.copyOf(report.models().keySet()), "expected");
  }

  String text() {
    StringBuilder text = new StringBuilder();
    line(
        text,
        "%d samples%s",
        report.questions().size(),
        Optional.ofNullable(report.about().get("max_new_tokens"))
            .map(", answers of at most %s tokens"::formatted)
            .orElse(""));
    text.append(System.lineSeparator());
    table(text, columns());
    if (report.models().size() > 1) {
      line(text, "%nadded, with the interval of paired differences");
      table(text, differences());
    }
    for (int i = 0; i < Math.min(SHOWN, report.questions().size()); i++) {
      sample(text, i);
    }
    return text.toString();
  }

  private static void line(StringBuilder text, String format, Object... values) {
    text.append(String.format(Locale.ROOT, format, values)).append(System.lineSeparator());
  }

  /**
   * @param columns head to cells, each by the name of its row
   */
  private static void table(StringBuilder text, Map<String, Map<String, String>> columns) {
    Set<String> rows = new LinkedHashSet<>();
    columns.values().forEach(cells -> rows.addAll(cells.keySet()));
    int first = width(rows, "");
    StringBuilder head = new StringBuilder(" ".repeat(first));
    Map<String, StringBuilder> lines = new LinkedHashMap<>();
    rows.forEach(row -> lines.put(row, new StringBuilder(padded(row, first))));
    columns.forEach(
        (name, cells) -> {
          int own = width(cells.values(), name);
          head.append(GAP).append(padded(name, own));
          lines.forEach(
              (row, line) -> line.append(GAP).append(padded(cells.getOrDefault(row, ""), own)));
        });
    text.append(head.toString().stripTrailing()).append(System.lineSeparator());
    lines
        .values()
        .forEach(
            line -> text.append(line.toString().stripTrailing()).append(System.lineSeparator()));
  }

  private static int width(Collection<String> texts, String atLeast) {
    return texts.stream().mapToInt(String::length).reduce(atLeast.length(), Math::max);
  }

  private static String padded(String text, int width) {
    return text + " ".repeat(width - text.length());
  }

  private Map<String, Map<String, String>> columns() {
    Map<String, Map<String, String>> columns = new LinkedHashMap<>();
    report.models().forEach((name, result) -> columns.put(name, cells(result)));
    return columns;
  }

  private Map<String, String> cells(ModelResult result) {
    Map<String, String> cells = new LinkedHashMap<>();
    result
        .loss()
        .ifPresent(
            loss -> {
              cells.put("loss", of("%.4f (%.4f to %.4f)", loss.value(), loss.low(), loss.high()));
              cells.put("perplexity", of("%.2f", Math.exp(loss.value())));
            });
    for (AnswerMetric metric : report.metrics()) {
      Optional<String> measured =
          switch (metric.scale()) {
            case HIT ->
                result
                    .share(metric.name())
                    .map(p -> percent(p.value(), p.low(), p.high(), p.count()));
            case GRADE ->
                result
                    .mean(metric.name())
                    .map(m -> percent(m.value(), m.low(), m.high(), m.tokens()));
          };
      measured.ifPresent(words -> cells.put(metric.name(), words));
    }
    result.truncated().ifPresent(count -> cells.put("truncated", of("%d", count)));
    return cells;
  }

  private static String of(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  /** And of how many samples, where it is not all. */
  private String percent(double value, double low, double high, long count) {
    String words = of("%.1f %% (%.1f to %.1f)", 100 * value, 100 * low, 100 * high);
    return count == report.questions().size() ? words : words + " of " + count;
  }

  private Map<String, Map<String, String>> differences() {
    Map<String, Map<String, String>> columns = new LinkedHashMap<>();
    for (EvaluationReport.Pair pair : report.pairs()) {
      Map<String, String> cells = new LinkedHashMap<>();
      report
          .differences(pair)
          .forEach(
              (name, d) ->
                  cells.put(
                      name,
                      name.equals("loss")
                          ? of("%+.4f (%+.4f to %+.4f)", d.value(), d.low(), d.high())
                          : of(
                              "%+.1f (%+.1f to %+.1f)",
                              100 * d.value(), 100 * d.low(), 100 * d.high())));
      columns.put("%s to %s".formatted(pair.from(), pair.to()), cells);
    }
    return columns;
  }

  private void sample(StringBuilder text, int i) {
    line(text, "%n%d. %s %s", i + 1, padded("expected", width), oneLine(report.expected().get(i)));
    report
        .models()
        .forEach(
            (name, result) -> {
              SampleResult sample = result.samples().get(i);
              line(
                  text,
                  "   %s %s%s",
                  padded(name, width),
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
