package org.sparkfinetune.engine.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against runs whose every second is known: what was promised after each line, and what came. */
class TimeLeftTest {
  private static final int STEPS = 200;
  private static final double FIRST_STEP = 40;

  /** Rows have ever new lengths, and steps with them. */
  private final SplittableRandom random = new SplittableRandom(7);

  private final List<MetricsLine> lines = new ArrayList<>();

  @ParameterizedTest(name = "a line every {0} steps, evaluations every {1}, saves every {2}")
  @CsvSource({"1, 50, 50", "10, 50, 50", "10, 25, 100", "7, 20, 30", "10, 50, 1", "1, 5, 1"})
  void from_step_10_on_it_is_within_a_fifth(int logging, int evaluations, int saves) {
    Run run = new Run(logging, evaluations, saves);
    double end = record(run, 1, 0, 1);
    assertPromisesKept(run, end, 0);
  }

  @Test
  void right_after_a_resume_it_is_known_from_the_lines_before() {
    Run run = new Run(10, 50, 50);
    record(run, 1, 0, 1);
    lines.removeIf(line -> line.step() > 100);
    int before = lines.size();
    double end = record(run, 101, lines.get(before - 1).runtime(), 2);
    assertPromisesKept(run, end - FIRST_STEP, before - 1, before);
    assertPromisesKept(run, end, before);
  }

  @Test
  void after_a_resume_on_a_faster_machine_it_is_known_after_three_lines() {
    Run run = new Run(10, 1000, 1000);
    record(run, 1, 0, 1);
    lines.removeIf(line -> line.step() > 100);
    int before = lines.size();
    for (long step = 110; step <= STEPS; step += 10) {
      lines.add(line(step, 0.1, lines.get(lines.size() - 1).runtime() + 1, 2));
    }
    assertPromisesKept(run, lines.get(lines.size() - 1).runtime(), before + 2);
  }

  @Test
  void nothing_is_known_without_lines_or_of_lines_that_tell_no_times() {
    TimeLeft.Schedule toCome = new Run(1, 10, 10).toCome();
    assertThat(TimeLeft.seconds(List.of(), toCome)).isEmpty();
    MetricsLine line = new MetricsLine.Train(3, 0, 1, 1, 1, 1, 1, 1);
    assertThat(TimeLeft.seconds(List.of(line), toCome)).isEmpty();
  }

  private void assertPromisesKept(Run run, double end, int from) {
    assertPromisesKept(run, end, from, lines.size() - 1);
  }

  private void assertPromisesKept(Run run, double end, int from, int to) {
    int checked = 0;
    for (int i = from; i < to; i++) {
      double left = end - lines.get(i).runtime();
      if (lines.get(i).step() >= 10 && left > 5) {
        assertThat(TimeLeft.seconds(lines.subList(0, i + 1), run.toCome()).orElseThrow())
            .as("after %s", lines.get(i))
            .isBetween(0.8 * left, 1.2 * left);
        checked++;
      }
    }
    assertThat(checked).isPositive();
  }

  private record Run(int logging, int evaluations, int saves) {
    boolean evaluates(long step) {
      return step % evaluations == 0 || step == STEPS;
    }

    boolean saves(long step) {
      return step % saves == 0 || step == STEPS;
    }

    /** An evaluation takes 12 s, 12 steps; 10 is what is thought before one was seen. */
    TimeLeft.Schedule toCome() {
      return new TimeLeft.Schedule(STEPS, this::evaluates, this::saves, 10);
    }
  }

  /** Lines as the recorder writes them; returns the second at which the run ends. */
  private double record(Run run, long first, double before, int attempt) {
    double now = before;
    double last = now;
    List<Double> steps = new ArrayList<>();
    for (long step = first; step <= STEPS; step++) {
      now += step == first ? FIRST_STEP : 0.7 + 0.6 * random.nextDouble();
      steps.add(now - last);
      last = now;
      if (step % run.logging() == 0 || step == STEPS) {
        lines.add(line(step, median(steps), now, attempt));
        steps.clear();
      }
      if (run.evaluates(step)) {
        now += 12;
        lines.add(new MetricsLine.Eval(step, 0, 1, 1, now));
        last = now;
      }
      now += run.saves(step) ? 3 : 0;
    }
    return now;
  }

  private static MetricsLine line(long step, double stepSeconds, double runtime, int attempt) {
    return new MetricsLine.Train(
        step, 0, 1, 1, 1, 1, 1, attempt, Map.of(), new MetricsLine.Pace(runtime, stepSeconds, 0));
  }

  private static double median(List<Double> values) {
    double[] sorted = values.stream().mapToDouble(Double::doubleValue).toArray();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
