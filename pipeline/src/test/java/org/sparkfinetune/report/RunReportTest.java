package org.sparkfinetune.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.metrics.AttemptLog;
import org.sparkfinetune.engine.metrics.AttemptLog.AttemptEvent;
import org.sparkfinetune.engine.metrics.MaskedSample;
import org.sparkfinetune.engine.metrics.MetricsLine;
import org.sparkfinetune.engine.metrics.MetricsLog;
import org.sparkfinetune.engine.metrics.Provenance;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.metrics.Summary;
import org.sparkfinetune.engine.metrics.Summary.ExchangeSummary;
import org.sparkfinetune.engine.metrics.Summary.Phase;
import org.sparkfinetune.engine.metrics.Summary.RankSummary;
import org.sparkfinetune.store.Store;
import org.xml.sax.InputSource;

class RunReportTest {
  private static final String HOSTILE = "<script>alert('x')</script>&\"<img src=x onerror=y>";

  private final Store files = new Store(new Configuration());

  @TempDir Path temporary;

  @Test
  void everything_of_a_run_is_on_its_page() throws IOException {
    writeRun("main", 0.5);
    String page = page();
    assertThat(page)
        .contains("<title>train: run</title>")
        .contains("optimizer steps", "0.5000 → 0.2500", "2.250", "1 min 42 s")
        .contains("Loss", "Learning rate", "Gradient norm", "Tokens a second")
        .contains("512 MiB", "worker-1", "exchange")
        .contains("sha256:12", "3.5.9", "lora_r: 16", "2026-01-02T03:04:05Z");
    assertThat(matches(page, "<svg ")).hasSize(4);
  }

  @Test
  void attempts_are_marked_where_they_began() throws IOException {
    writeRun("main", 0.5);
    assertThat(page())
        .contains("2026-01-02 03:04:06, failed: rank 1 on worker-1 was lost &amp; gone")
        .contains("finished", "Dashed lines: a new attempt began.");
    assertThat(matches(page(), "class=\"mark\"")).hasSize(4);
    String mark = "<line class=\"mark\" x1=\"250.0\"";
    assertThat(page()).contains(mark);
  }

  @Test
  void memory_by_phase_and_samples_with_what_is_trained_are_on_the_page() throws IOException {
    writeRun("main", 0.5);
    assertThat(page())
        .contains("Memory by phase", "<th class=\"n\">backward</th>", "200 MiB")
        .contains("<span>Q: &lt;b&gt;1?</span><mark>SELECT 1</mark>")
        .contains("7 tokens, 3 of them trained");
  }

  @Test
  void nothing_of_a_run_becomes_markup() throws Exception {
    writeRun(HOSTILE, 0.5);
    String page = page();
    assertThat(page).contains("&lt;script&gt;").doesNotContain("<script", "<img", "onerror=y>");
    // What is well-formed has no tag that we did not write.
    String body = page.substring(page.indexOf("<body>"), page.indexOf("</html>"));
    DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new java.io.StringReader(body)));
  }

  @Test
  void a_page_needs_nothing_else() throws IOException {
    writeRun("main", 0.5);
    assertThat(page()).doesNotContain("http", "url(", "src=", "href=", "@import");
  }

  @Test
  void a_loss_that_is_no_number_leaves_a_gap_in_its_curve() throws IOException {
    writeRun("main", Double.NaN);
    assertThat(page()).doesNotContain("NaN,", ",NaN", "NaN\"", "Infinity\"");
    String loss = page().substring(page().indexOf("aria-label=\"Loss\""));
    assertThat(matches(loss.substring(0, loss.indexOf("</svg>")), "<polyline")).hasSize(3);
  }

  @Test
  void a_run_that_logged_nothing_has_a_page_that_says_so() throws IOException {
    RunReport.write(run(), files);
    assertThat(page()).contains("This run has not ended.", "No step has been logged.");
  }

  private void writeRun(String revision, double secondLoss) {
    RunFolder run = run();
    files.replace(
        run.config(), ("lora_r: 16\n\"" + revision + "\": 1\n").getBytes(StandardCharsets.UTF_8));
    List<MetricsLine> lines = new ArrayList<>();
    lines.add(new MetricsLine.Eval(0, 0, 0.5, 10));
    for (int step = 1; step <= 4; step++) {
      double loss = step == 2 ? secondLoss : 4.0 / step;
      lines.add(new MetricsLine.Train(step, step / 4.0, loss, 1, 2e-4, 9, 100, (step + 1) / 2));
    }
    lines.add(new MetricsLine.Eval(4, 1, 0.25, 10));
    try (MetricsLog log = MetricsLog.start(run, files)) {
      lines.forEach(log::write);
    }
    new Provenance(
            Map.of("spark", "3.5.9", revision, "1"),
            42,
            new Provenance.Source("data", Optional.empty(), "sha256:12"),
            new Provenance.Dataset("sha256:56", Optional.of("sha256:78")),
            new Provenance.Source("m/l", Optional.of(revision), "sha256:34"),
            "file:/cache",
            Instant.parse("2026-01-02T03:04:05Z"))
        .write(run, files);
    AttemptLog attempts = new AttemptLog(run, atClock("2026-01-02T03:04:06Z"));
    attempts.add(AttemptEvent.Kind.STARTED, 0, "");
    attempts.add(AttemptEvent.Kind.FAILED, 2, "rank 1 on worker-1 was lost & gone");
    attempts.add(AttemptEvent.Kind.STARTED, 2, "");
    attempts.add(AttemptEvent.Kind.FINISHED, 4, "");
    MaskedSample sample =
        new MaskedSample(
            List.of(
                new MaskedSample.Piece("Q: <b>1?", MaskedSample.Loss.NOT_TRAINED),
                new MaskedSample.Piece("SELECT 1", MaskedSample.Loss.TRAINED)),
            7,
            3);
    MaskedSample.write(List.of(sample), run, files);
    new Summary(
            4,
            102,
            100,
            2.25,
            OptionalDouble.of(0.25),
            Optional.of(new Summary.Best("eval_loss", 0.2, 3, true)),
            2,
            List.of(
                new RankSummary(0, revision, 512L << 20, 256L << 20, 0, 1 << 20),
                new RankSummary(
                    1,
                    "worker-1",
                    400L << 20,
                    256L << 20,
                    0,
                    1 << 20,
                    new ExchangeSummary(1, 2, 3, 4),
                    Map.of(Phase.LOAD, 100L << 20, Phase.BACKWARD, 200L << 20))),
            Map.of(Phase.FORWARD, 50.0, Phase.BACKWARD, 40.0))
        .write(run, files);
    RunReport.write(run, files);
  }

  private static Store atClock(String instant) {
    return new Store(new Configuration(), InstantSource.fixed(Instant.parse(instant)));
  }

  private RunFolder run() {
    return RunFolder.of(temporary.resolve("run").toString());
  }

  private String page() throws IOException {
    return Files.readString(temporary.resolve("run/report.html"));
  }

  private static List<String> matches(String text, String pattern) {
    return Pattern.compile(pattern).matcher(text).results().map(MatchResult::group).toList();
  }
}
