package org.sparkfinetune.report;

import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import org.sparkfinetune.engine.metrics.AttemptLog.AttemptEvent;
import org.sparkfinetune.engine.metrics.MaskedSample;
import org.sparkfinetune.engine.metrics.MetricsLine;
import org.sparkfinetune.engine.metrics.Provenance;
import org.sparkfinetune.engine.metrics.Summary;
import org.sparkfinetune.engine.metrics.Summary.Phase;
import org.sparkfinetune.engine.metrics.Summary.RankSummary;
import org.sparkfinetune.report.LineChart.Ink;
import org.sparkfinetune.report.LineChart.Point;
import org.sparkfinetune.report.LineChart.Series;
import org.sparkfinetune.report.RunReport.Attempt;
import org.sparkfinetune.report.Scale.Numbers;

/** The report of a training run as one HTML file. */
final class RunPage {
  /** With a blank, where a narrow page may break it. */
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss", Locale.ROOT).withZone(ZoneOffset.UTC);

  private static final Set<String> NO_MEASURES =
      Set.of(
          MetricsLine.Eval.GENERATED_TOKENS,
          MetricsLine.Eval.TRUNCATED_ANSWERS,
          MetricsLine.Eval.GENERATE_RUNTIME);

  private final RunReport report;
  private final List<Attempt> attempts;
  private final Page page;

  RunPage(RunReport report) {
    this.report = report;
    this.attempts = Attempt.of(report.events());
    this.page = new Page("train: " + report.name());
  }

  String html() {
    if (report.summary().isEmpty()) {
      page.text("p", "This run has not ended.");
    }
    figures();
    curves();
    lossBySource();
    answers();
    report.summary().ifPresent(this::time);
    report.summary().ifPresent(this::memory);
    attempts();
    samples();
    provenance();
    configuration();
    return page.html();
  }

  private void figures() {
    page.raw("<table>\n");
    report
        .summary()
        .ifPresent(
            summary -> {
              figure("optimizer steps", Numbers.grouped(summary.steps()));
              figure("mean training loss", Numbers.figure(summary.trainLoss()));
              figure("ranks", Integer.toString(summary.ranks().size()));
              figure("attempts", Integer.toString(summary.attempts()));
              figure("training time", Numbers.seconds(summary.trainRuntime()));
              figure("tokens a second (median step)", Numbers.figure(summary.tokensPerSecond()));
            });
    report
        .summary()
        .flatMap(Summary::best)
        .ifPresent(
            best ->
                figure(
                    "best " + best.metric() + (best.isResult() ? ", the result" : ""),
                    "%s, step %s".formatted(Numbers.figure(best.value()), best.step())));
    List<MetricsLine.Eval> evaluations = report.evaluations();
    if (!evaluations.isEmpty()) {
      double first = evaluations.get(0).evalLoss();
      double last = evaluations.get(evaluations.size() - 1).evalLoss();
      figure(
          "evaluation loss",
          evaluations.size() == 1
              ? Numbers.figure(last)
              : Numbers.figure(first) + " → " + Numbers.figure(last));
    }
    page.raw("</table>\n");
  }

  private void figure(String name, String value) {
    page.raw("<tr>").name(name).number(value).raw("</tr>\n");
  }

  private void curves() {
    List<Point> evaluations =
        report.evaluations().stream().map(e -> new Point(e.step(), e.evalLoss())).toList();
    List<LineChart> charts = new ArrayList<>();
    charts.add(
        chart(
            "Loss",
            training("training", MetricsLine.Train::loss),
            new Series("evaluation", Ink.TWO, evaluations)));
    Set<String> ofPairs = ofPairs();
    for (String name : ofPairs) {
      charts.add(
          chart(
              name,
              training("training", line -> line.ofPairs().getOrDefault(name, Double.NaN)),
              evaluated("evaluation", name)));
    }
    metrics().stream()
        .filter(name -> !ofPairs.contains(name))
        .forEach(name -> charts.add(chart(name, evaluated("", name))));
    charts.add(chart("Learning rate", training("", MetricsLine.Train::learningRate)));
    charts.add(chart("Gradient norm before clipping", training("", MetricsLine.Train::gradNorm)));
    charts.add(chart("Tokens a second", training("", MetricsLine.Train::tokensPerSecond)));
    page.text("h2", "Over the optimizer steps").raw("<div class=\"charts\">\n");
    charts.stream().filter(chart -> !chart.isEmpty()).forEach(chart -> page.raw(chart.svg()));
    page.raw("</div>\n");
    if (charts.stream().allMatch(LineChart::isEmpty)) {
      page.text("p", "No step has been logged.");
    }
    if (attempts.size() > 1) {
      page.text("p", "Dashed lines: a new attempt began.");
    }
  }

  /** Metrics of training on preferences. */
  private Set<String> ofPairs() {
    Set<String> names = new LinkedHashSet<>();
    report.training().forEach(line -> names.addAll(line.ofPairs().keySet()));
    return names;
  }

  /** Metrics of answers that some evaluation has, without what answering took. */
  private List<String> metrics() {
    return report.evaluations().stream()
        .flatMap(evaluation -> evaluation.metrics().keySet().stream())
        .filter(name -> !NO_MEASURES.contains(name))
        .distinct()
        .toList();
  }

  private Series evaluated(String name, String metric) {
    List<Point> points =
        report.evaluations().stream()
            .filter(evaluation -> Double.isFinite(value(evaluation, metric)))
            .map(evaluation -> new Point(evaluation.step(), value(evaluation, metric)))
            .toList();
    return new Series(name, Ink.TWO, points);
  }

  private static double value(MetricsLine.Eval evaluation, String metric) {
    return evaluation.metrics().getOrDefault(metric, Double.NaN);
  }

  /** The same questions at each evaluation: how answers change over the run. */
  private void answers() {
    List<MetricsLine.Eval> answered =
        report.evaluations().stream().filter(line -> !line.answers().isEmpty()).toList();
    if (answered.isEmpty()) {
      return;
    }
    page.text("h2", "What the model writes");
    List<MetricsLine.Answer> first = answered.get(0).answers();
    for (int i = 0; i < first.size(); i++) {
      page.text("pre", first.get(i).prompt()).raw("<div class=\"wide\"><table>\n");
      row("expected", first.get(i).expected());
      for (MetricsLine.Eval line : answered) {
        if (i < line.answers().size()) {
          row("step " + line.step(), line.answers().get(i).answer());
        }
      }
      page.raw("</table></div>\n");
    }
  }

  private void lossBySource() {
    List<MetricsLine.Eval> evaluations = report.evaluations();
    if (evaluations.isEmpty() || evaluations.get(0).lossBySource().isEmpty()) {
      return;
    }
    Map<String, Double> first = evaluations.get(0).lossBySource();
    Map<String, Double> last = evaluations.get(evaluations.size() - 1).lossBySource();
    page.text("h2", "Evaluation loss by source").raw("<table>\n<tr><th>source</th>");
    page.raw("<th class=\"n\">first</th><th class=\"n\">last</th></tr>\n");
    first.forEach(
        (source, loss) -> {
          page.raw("<tr>").name(source).number(Numbers.figure(loss));
          page.number(Numbers.figure(last.getOrDefault(source, Double.NaN))).raw("</tr>\n");
        });
    page.raw("</table>\n");
  }

  private LineChart chart(String title, Series... series) {
    List<Long> marks = attempts.stream().skip(1).map(Attempt::first).toList();
    return new LineChart(title, List.of(series), marks);
  }

  private Series training(String name, ToDoubleFunction<MetricsLine.Train> value) {
    List<Point> points =
        report.training().stream()
            .map(line -> new Point(line.step(), value.applyAsDouble(line)))
            .toList();
    return new Series(name, Ink.ONE, points);
  }

  private void time(Summary summary) {
    double all = summary.secondsByPhase().values().stream().mapToDouble(s -> s).sum();
    page.text("h2", "Time of rank 0").raw("<table>\n");
    for (Map.Entry<Phase, Double> entry : summary.secondsByPhase().entrySet()) {
      page.raw("<tr>").name(entry.getKey().text()).number(Numbers.seconds(entry.getValue()));
      page.bar(entry.getValue() / all).raw("</tr>\n");
    }
    page.raw("</table>\n");
    if (summary.ranks().size() > 1) {
      page.text(
          "p",
          "Of its steps' time rank 0 waited %s %% for other ranks; the bottleneck is %s."
              .formatted(
                  Math.round(100 * summary.waitedShare()),
                  switch (summary.bottleneck()) {
                    case COMPUTE -> "computing";
                    case EXCHANGE -> "the exchange between ranks";
                  }));
    }
  }

  private void memory(Summary summary) {
    boolean gpu = summary.ranks().stream().anyMatch(rank -> rank.peakGpuBytes() > 0);
    page.text("h2", "Memory of the ranks at its peak");
    page.raw("<div class=\"wide\"><table>\n<tr>");
    page.raw("<th>rank</th><th class=\"n\">resident</th>");
    page.raw("<th class=\"n\">without files</th>" + (gpu ? "<th class=\"n\">GPU</th>" : ""));
    page.raw("<th class=\"n\">frozen shard</th></tr>\n");
    for (RankSummary rank : summary.ranks()) {
      page.raw("<tr>").name("%s on %s".formatted(rank.rank(), rank.host()));
      page.number(Numbers.bytes(rank.peakRssBytes()));
      page.number(Numbers.bytes(rank.peakAnonymousBytes()));
      if (gpu) {
        page.number(Numbers.bytes(rank.peakGpuBytes()));
      }
      page.number(Numbers.bytes(rank.shardBytes())).raw("</tr>\n");
    }
    page.raw("</table></div>\n");
    page.text("p", "“Without files” leaves out mapped shard files, which the system may drop.");
    memoryByPhase(summary);
  }

  private void memoryByPhase(Summary summary) {
    List<Phase> phases =
        Arrays.stream(Phase.values())
            .filter(phase -> summary.ranks().stream().anyMatch(rank -> bytes(rank, phase) > 0))
            .toList();
    if (phases.isEmpty()) {
      return;
    }
    page.text("h2", "Memory by phase, without files");
    page.raw("<div class=\"wide\"><table>\n<tr><th>rank</th>");
    phases.forEach(phase -> page.raw("<th class=\"n\">" + phase.text() + "</th>"));
    page.raw("</tr>\n");
    for (RankSummary rank : summary.ranks()) {
      page.raw("<tr>").cell(Integer.toString(rank.rank()));
      phases.forEach(phase -> page.number(Numbers.bytes(bytes(rank, phase))));
      page.raw("</tr>\n");
    }
    page.raw("</table></div>\n");
  }

  private static long bytes(RankSummary rank, Phase phase) {
    return rank.anonymousBytesByPhase().getOrDefault(phase, 0L);
  }

  private void attempts() {
    if (attempts.isEmpty()) {
      return;
    }
    page.text("h2", "Attempts and faults").raw("<table>\n<tr><th>began (UTC)</th>");
    page.raw("<th class=\"n\">from step</th><th>ended</th></tr>\n");
    for (int i = 0; i < attempts.size(); i++) {
      Attempt attempt = attempts.get(i);
      page.raw("<tr>").cell(time(attempt.began())).number(Long.toString(attempt.first()));
      page.cell(end(attempt, i == attempts.size() - 1)).raw("</tr>\n");
    }
    page.raw("</table>\n");
  }

  private static String end(Attempt attempt, boolean last) {
    if (attempt.end().isEmpty()) {
      return last ? "not yet, or its driver was killed" : "its driver was killed";
    }
    AttemptEvent event = attempt.end().get();
    return switch (event.kind()) {
      case FINISHED -> "%s, finished".formatted(time(event.at()));
      case STOPPED ->
          "%s, stopped and saved after step %s".formatted(time(event.at()), event.step());
      case FAILED, STARTED -> "%s, failed: %s".formatted(time(event.at()), event.why());
    };
  }

  private static String time(Instant at) {
    return TIME.format(at);
  }

  private void samples() {
    if (report.samples().isEmpty()) {
      return;
    }
    page.text("h2", "What is trained");
    page.text(
        "p",
        "The first conversations of the first row; underlined tokens have a loss, others are only"
            + " read.");
    for (MaskedSample sample : report.samples()) {
      page.raw("<pre>");
      sample.pieces().forEach(this::piece);
      page.raw("</pre>\n");
      page.text(
          "p", "%s tokens, %s of them trained".formatted(sample.tokens(), sample.trainedTokens()));
    }
  }

  private void piece(MaskedSample.Piece piece) {
    String element =
        switch (piece.loss()) {
          case TRAINED -> "mark";
          case NOT_TRAINED -> "span";
        };
    page.inline(element, piece.text());
  }

  private void provenance() {
    page.text("h2", "Made from").raw("<table>\n");
    report
        .provenance()
        .ifPresent(
            provenance -> {
              source("model", provenance.model());
              source("data", provenance.data());
              dataset(provenance.dataset());
              row("packed rows", provenance.tokenizedPath());
              row("seed", Long.toString(provenance.seed()));
              row("started", provenance.startedAt().toString());
              provenance.versions().forEach(this::row);
            });
    page.raw("</table>\n");
  }

  private void source(String name, Provenance.Source source) {
    List<String> words = new ArrayList<>(List.of(source.path()));
    source.revision().ifPresent(words::add);
    words.add(source.hash());
    row(name, String.join(" · ", words));
  }

  private void dataset(Provenance.Dataset dataset) {
    row("data set", dataset.hash());
    dataset
        .replacedBy()
        .ifPresent(
            by ->
                row(
                    "in its folder now",
                    "another data set, which was not used, when the run was last started: " + by));
  }

  private void row(String name, String value) {
    page.raw("<tr>").name(name).cell(value).raw("</tr>\n");
  }

  private void configuration() {
    page.text("h2", "Configuration").text("pre", report.configuration());
  }
}
