package org.sparkfinetune.report;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.engine.metrics.AttemptLog;
import org.sparkfinetune.engine.metrics.AttemptLog.AttemptEvent;
import org.sparkfinetune.engine.metrics.AttemptLog.AttemptEvent.Kind;
import org.sparkfinetune.engine.metrics.MaskedSample;
import org.sparkfinetune.engine.metrics.MetricsLine;
import org.sparkfinetune.engine.metrics.MetricsLog;
import org.sparkfinetune.engine.metrics.Provenance;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.metrics.Summary;
import org.sparkfinetune.store.Store;

/**
 * What the files of a run folder say, for its page.
 *
 * @param name what the page is called
 * @param configuration the text of config.yaml
 */
public record RunReport(
    String name,
    List<MetricsLine> lines,
    Optional<Summary> summary,
    Optional<Provenance> provenance,
    List<AttemptEvent> events,
    List<MaskedSample> samples,
    String configuration) {
  public RunReport {
    lines = List.copyOf(lines);
    events = List.copyOf(events);
    samples = List.copyOf(samples);
  }

  /**
   * Reads {@code metrics.jsonl}, {@code summary.json}, {@code provenance.json}, {@code
   * attempts.jsonl}, {@code samples.json} and {@code config.yaml}, and replaces {@code
   * report.html}.
   *
   * @throws org.sparkfinetune.errors.RunFailure if the store does not let it
   */
  public static void write(RunFolder folder, Store files) {
    String page = new RunPage(read(folder, files)).html();
    files.replace(folder.report(), page.getBytes(StandardCharsets.UTF_8));
  }

  static RunReport read(RunFolder folder, Store files) {
    return new RunReport(
        folder.root().getName(),
        MetricsLog.read(folder, files),
        Summary.read(folder, files),
        Provenance.read(folder, files),
        new AttemptLog(folder, files).read(),
        MaskedSample.read(folder, files),
        new String(files.read(folder.config()).orElse(new byte[0]), StandardCharsets.UTF_8));
  }

  List<MetricsLine.Train> training() {
    return of(MetricsLine.Train.class);
  }

  List<MetricsLine.Eval> evaluations() {
    return of(MetricsLine.Eval.class);
  }

  private <T extends MetricsLine> List<T> of(Class<T> kind) {
    return lines.stream().filter(kind::isInstance).map(kind::cast).toList();
  }

  /**
   * A start of the training.
   *
   * @param first the first step that it was to do
   * @param end how it ended; empty if its driver was killed, or it goes on
   */
  record Attempt(Instant began, long first, Optional<AttemptEvent> end) {
    static List<Attempt> of(List<AttemptEvent> events) {
      List<Attempt> attempts = new ArrayList<>();
      for (AttemptEvent event : events) {
        int last = attempts.size() - 1;
        if (event.kind() == Kind.STARTED) {
          attempts.add(new Attempt(event.at(), event.step() + 1, Optional.empty()));
        } else if (last >= 0) {
          Attempt ended = attempts.get(last);
          attempts.set(last, new Attempt(ended.began(), ended.first(), Optional.of(event)));
        }
      }
      return attempts;
    }
  }
}
