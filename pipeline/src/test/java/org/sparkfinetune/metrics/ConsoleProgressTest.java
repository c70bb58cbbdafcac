package org.sparkfinetune.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ConsoleProgressTest {

  private final ManualClock clock = new ManualClock();
  private final List<String> lines = new ArrayList<>();

  @Test
  void a_line_says_phase_step_loss_speed_and_time_left() {
    ConsoleProgress progress = new ConsoleProgress(lines::add, clock, 0, 100);
    progress.phase(Phase.LOAD, "3 of 8 layers");
    clock.pass(Duration.ofSeconds(20));
    progress.train(train(10));
    progress.evaluation(new MetricsLine.Eval(10, 1, 1.5, 77));
    assertThat(lines)
        .containsExactly(
            "INFO rank 0  load      3 of 8 layers",
            "INFO rank 0  train     step 10/100  loss 2.3457  412 tokens/s  3m 00s left",
            "INFO rank 0  evaluate  step 10/100  eval loss 1.5000 over 77 tokens");
  }

  @Test
  void the_time_left_follows_from_the_steps_of_this_attempt() {
    ConsoleProgress progress = new ConsoleProgress(lines::add, clock, 90, 100);
    progress.train(train(90));
    clock.pass(Duration.ofHours(1));
    progress.train(train(95));
    progress.train(train(100));
    assertThat(lines.get(0)).endsWith("unknown time left");
    assertThat(lines.get(1)).endsWith("1h 00m left");
    assertThat(lines.get(2)).endsWith("0s left");
  }

  private static MetricsLine.Train train(long step) {
    return new MetricsLine.Train(step, 0.1, 2.345678, 0.3, 2e-4, 100, 412.3, 1);
  }
}
