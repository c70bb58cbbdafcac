package org.sparkfinetune.engine.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.progress.StatusLine;

class ConsoleProgressTest {

  private final ManualClock clock = new ManualClock();
  private final StringBuilder shown = new StringBuilder();

  @Test
  void a_line_says_phase_step_loss_speed_and_time_left() {
    ConsoleProgress progress = progress(StatusLine.Kind.LOG);
    progress.show(List.of(train(10, 2), new MetricsLine.Eval(10, 1, 1.5, 77)), 0);
    assertThat(shown.toString().lines())
        .containsExactly(
            "INFO rank 0  train     step 10/100  loss 2.3457  412 tokens/s  925 MiB  3m 00s left",
            "INFO rank 0  evaluate  step 10/100  eval loss 1.5000 over 77 tokens");
  }

  @Test
  void a_record_that_tells_no_times_promises_none() {
    ConsoleProgress progress = progress(StatusLine.Kind.LOG);
    progress.show(List.of(new MetricsLine.Train(10, 0.1, 2.345678, 0.3, 2e-4, 100, 412.3, 1)), 0);
    assertThat(shown.toString().lines())
        .containsExactly("INFO rank 0  train     step 10/100  loss 2.3457  412 tokens/s");
  }

  @Test
  void on_a_terminal_one_line_is_rewritten_and_evaluations_stay_above_it() {
    ConsoleProgress progress = progress(StatusLine.Kind.TERMINAL);
    progress.show(List.of(train(25, 2)), 0);
    assertThat(lastStatus())
        .isEqualTo(
            "train     [######------------------]  step 25/100  loss 2.3457  412 tokens/s  925 MiB"
                + "  2m 30s left");
    clock.pass(Duration.ofSeconds(4));
    progress.redraw();
    assertThat(lastStatus()).endsWith("  2m 26s left");
    assertThat(shown).doesNotContain("\n");
    progress.show(List.of(train(25, 2), new MetricsLine.Eval(25, 1, 1.5, 77)), 1);
    assertThat(shown.substring(0, shown.indexOf("\n")))
        .endsWith("\r\033[KINFO rank 0  evaluate  step 25/100  eval loss 1.5000 over 77 tokens");
    assertThat(lastStatus()).endsWith("  2m 30s left");
  }

  @Test
  void an_attempt_that_begins_again_shows_no_status_of_the_one_before() {
    ConsoleProgress progress = progress(StatusLine.Kind.TERMINAL);
    progress.show(List.of(train(25, 2)), 0);
    progress.begin();
    int before = shown.length();
    progress.redraw();
    assertThat(shown).hasSize(before);
  }

  private String lastStatus() {
    String text = shown.toString();
    return text.substring(text.lastIndexOf("\033[?7l") + 5, text.lastIndexOf("\033[?7h"));
  }

  private ConsoleProgress progress(StatusLine.Kind kind) {
    StatusLine screen = new StatusLine(kind, 120, shown::append, clock);
    return new ConsoleProgress(
        screen, clock, new TimeLeft.Schedule(100, step -> false, step -> false, 0));
  }

  private static MetricsLine.Train train(long step, double stepSeconds) {
    return new MetricsLine.Train(
        step,
        0.1,
        2.345678,
        0.3,
        2e-4,
        100,
        412.3,
        1,
        Map.of(),
        new MetricsLine.Pace(step * stepSeconds, stepSeconds, 925L << 20));
  }
}
