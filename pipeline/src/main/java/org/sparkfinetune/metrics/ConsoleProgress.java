package org.sparkfinetune.metrics;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Locale;
import java.util.function.Consumer;

/**
 * One line per logging interval for the person who watches: phase, step, loss, tokens a second and
 * the time left, which follows from the steps of this attempt so far. Rank 0 alone has one.
 */
public final class ConsoleProgress {

  private final Consumer<String> lines;
  private final InstantSource clock;
  private final Instant started;
  private final long firstStep;
  private final long lastStep;

  /**
   * @param firstStep steps that were done before this attempt
   * @param lastStep the step at which the run ends
   */
  public ConsoleProgress(
      Consumer<String> lines, InstantSource clock, long firstStep, long lastStep) {
    this.lines = lines;
    this.clock = clock;
    this.started = clock.instant();
    this.firstStep = firstStep;
    this.lastStep = lastStep;
  }

  /** Standard error: standard output is for results. */
  public static ConsoleProgress onStandardError(long firstStep, long lastStep) {
    return new ConsoleProgress(System.err::println, InstantSource.system(), firstStep, lastStep);
  }

  /** A phase without steps, such as loading. */
  public void phase(Phase phase, String what) {
    line(phase.text(), what);
  }

  public void train(MetricsLine.Train line) {
    line(
        "train",
        String.format(
            Locale.ROOT,
            "step %d/%d  loss %.4f  %.0f tokens/s  %s left",
            line.step(),
            lastStep,
            line.loss(),
            line.tokensPerSecond(),
            left(line.step())));
  }

  public void evaluation(MetricsLine.Eval line) {
    line(
        "evaluate",
        String.format(
            Locale.ROOT,
            "step %d/%d  eval loss %.4f over %d tokens",
            line.step(),
            lastStep,
            line.evalLoss(),
            line.evalTrainedTokens()));
  }

  private String left(long step) {
    long done = step - firstStep;
    if (done <= 0) {
      return "unknown time";
    }
    double seconds = Duration.between(started, clock.instant()).toMillis() / 1e3;
    return shown(Duration.ofSeconds(Math.round(seconds / done * (lastStep - step))));
  }

  private static String shown(Duration time) {
    if (time.toHours() > 0) {
      return String.format(Locale.ROOT, "%dh %02dm", time.toHours(), time.toMinutesPart());
    }
    return time.toMinutes() > 0
        ? String.format(Locale.ROOT, "%dm %02ds", time.toMinutes(), time.toSecondsPart())
        : time.toSeconds() + "s";
  }

  private void line(String phase, String text) {
    lines.accept("INFO rank 0  %-9s %s".formatted(phase, text));
  }
}
