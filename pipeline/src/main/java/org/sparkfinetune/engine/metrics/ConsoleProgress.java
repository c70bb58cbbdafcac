package org.sparkfinetune.engine.metrics;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import org.sparkfinetune.progress.HumanReadable;
import org.sparkfinetune.progress.StatusLine;

/**
 * A run for the person who watches: step, loss, tokens a second, memory of rank 0 and the time
 * left. On a terminal a status that is rewritten, with a line for each evaluation above it;
 * elsewhere a line for each of the record's.
 */
public final class ConsoleProgress {

  private final StatusLine screen;
  private final InstantSource clock;
  private final TimeLeft.Schedule schedule;
  private List<MetricsLine> lines = List.of();
  private Instant arrived = Instant.MIN;
  private boolean hasStatus;

  public ConsoleProgress(StatusLine screen, InstantSource clock, TimeLeft.Schedule schedule) {
    this.screen = screen;
    this.clock = clock;
    this.schedule = schedule;
  }

  /** An attempt begins: until its first line there is no status. */
  public synchronized void begin() {
    hasStatus = false;
  }

  /**
   * More of the record is there.
   *
   * @param all lines of it
   * @param known how many of them were there before
   */
  public synchronized void show(List<MetricsLine> all, int known) {
    lines = all;
    arrived = clock.instant();
    hasStatus = true;
    for (int i = known; i < all.size(); i++) {
      lines = all.subList(0, i + 1);
      if (all.get(i) instanceof MetricsLine.Eval evaluation) {
        line("evaluate", text(evaluation));
      } else if (all.get(i) instanceof MetricsLine.Train train && !screen.isTerminal()) {
        line("train", text(train));
      }
    }
    redraw();
  }

  /** The status as of now: time passes between two lines, too. */
  public synchronized void redraw() {
    if (hasStatus) {
      lastStep()
          .ifPresent(
              train ->
                  screen.status(
                      "train     %s  %s"
                          .formatted(
                              HumanReadable.bar(train.step(), schedule.totalSteps()),
                              text(train))));
    }
  }

  private Optional<MetricsLine.Train> lastStep() {
    for (int i = lines.size() - 1; i >= 0; i--) {
      if (lines.get(i) instanceof MetricsLine.Train train) {
        return Optional.of(train);
      }
    }
    return Optional.empty();
  }

  private String text(MetricsLine.Train line) {
    long memory = line.pace().anonymousBytes();
    return String.format(
        Locale.ROOT,
        "step %d/%d  loss %.4f  %.0f tokens/s%s%s",
        line.step(),
        schedule.totalSteps(),
        line.loss(),
        line.tokensPerSecond(),
        memory > 0 ? "  " + HumanReadable.bytes(memory) : "",
        left());
  }

  private String text(MetricsLine.Eval line) {
    StringBuilder text =
        new StringBuilder(
            String.format(
                Locale.ROOT,
                "step %d/%d  eval loss %.4f over %d tokens",
                line.step(),
                schedule.totalSteps(),
                line.evalLoss(),
                line.evalTrainedTokens()));
    line.metrics()
        .forEach(
            (name, value) -> text.append(String.format(Locale.ROOT, "  %s %.4g", name, value)));
    return text.toString();
  }

  private String left() {
    OptionalDouble seconds = TimeLeft.seconds(lines, schedule);
    if (seconds.isEmpty()) {
      return "";
    }
    Duration since = Duration.between(arrived, clock.instant());
    Duration left = Duration.ofMillis(Math.round(seconds.getAsDouble() * 1e3)).minus(since);
    return "  " + HumanReadable.time(left) + " left";
  }

  private void line(String phase, String text) {
    screen.line("INFO rank 0  %-9s %s".formatted(phase, text));
  }
}
