package org.sparkfinetune.engine.metrics;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.LongPredicate;

/**
 * How long a run still takes, from what its lines say of recent steps, evaluations and saves, and
 * how many of them are to come. A resumed run's lines begin before its checkpoint, so it is known
 * from there on.
 */
public final class TimeLeft {
  /** Lines that count: enough for a median, few enough to follow a machine that slows down. */
  private static final int RECENT = 20;

  /** Lines of an attempt from which its first, which loads and compiles, is a small part. */
  private static final int ENOUGH = 3;

  private TimeLeft() {}

  /**
   * What a run is going to do.
   *
   * @param evaluates whether there is an evaluation after a step
   * @param saves whether there is a checkpoint after a step
   * @param evaluationSteps how many steps an evaluation takes, roughly, before one was seen
   */
  public record Schedule(
      long totalSteps, LongPredicate evaluates, LongPredicate saves, double evaluationSteps) {}

  /** Seconds from the last line on; empty where lines do not tell how long steps take. */
  public static OptionalDouble seconds(List<MetricsLine> lines, Schedule schedule) {
    OptionalDouble step = stepSeconds(lines);
    if (step.isEmpty()) {
      return step;
    }
    MetricsLine last = lines.get(lines.size() - 1);
    long evaluations =
        last instanceof MetricsLine.Eval ? 0 : one(schedule.evaluates(), last.step());
    long saves = one(schedule.saves(), last.step());
    for (long next = last.step() + 1; next <= schedule.totalSteps(); next++) {
      evaluations += one(schedule.evaluates(), next);
      saves += one(schedule.saves(), next);
    }
    double seconds = step.getAsDouble();
    return OptionalDouble.of(
        (schedule.totalSteps() - last.step()) * seconds
            + evaluations * evaluationSeconds(lines, seconds, schedule)
            + saves * saveSeconds(lines, seconds, schedule));
  }

  private static long one(LongPredicate rule, long step) {
    return step > 0 && rule.test(step) ? 1 : 0;
  }

  private static OptionalDouble stepSeconds(List<MetricsLine> lines) {
    List<MetricsLine.Train> known = new ArrayList<>();
    for (int i = lines.size() - 1; i >= 0 && known.size() < RECENT; i--) {
      if (lines.get(i) instanceof MetricsLine.Train train
          && !Double.isNaN(train.pace().stepSeconds())) {
        known.add(train);
      }
    }
    if (known.isEmpty()) {
      return OptionalDouble.empty();
    }
    List<MetricsLine.Train> ofAttempt =
        known.stream().filter(line -> line.attempt() == known.get(0).attempt()).toList();
    return OptionalDouble.of(
        median(
            (ofAttempt.size() < ENOUGH ? known : ofAttempt)
                .stream().map(line -> line.pace().stepSeconds()).toList()));
  }

  private static double evaluationSeconds(List<MetricsLine> lines, double step, Schedule schedule) {
    List<Double> recent = new ArrayList<>();
    for (int i = lines.size() - 1; i >= 0 && recent.size() < RECENT; i--) {
      if (lines.get(i) instanceof MetricsLine.Eval) {
        addKnown(recent, seconds(lines, i) - steps(lines, i) * step);
      }
    }
    return recent.isEmpty() ? schedule.evaluationSteps() * step : median(recent);
  }

  /** What is left of the time between two lines when steps are taken off it. */
  private static double saveSeconds(List<MetricsLine> lines, double step, Schedule schedule) {
    List<Double> recent = new ArrayList<>();
    for (int i = lines.size() - 1; i > 0 && recent.size() < RECENT; i--) {
      long saves = 0;
      if (beginsAttempt(lines, i)) {
        continue;
      }
      for (long at = lines.get(i - 1).step(); at < lines.get(i).step(); at++) {
        saves += one(schedule.saves(), at);
      }
      if (saves > 0 && lines.get(i) instanceof MetricsLine.Train) {
        addKnown(recent, (seconds(lines, i) - steps(lines, i) * step) / saves);
      }
    }
    return recent.isEmpty() ? 0 : median(recent);
  }

  /** Its first step takes long, and is in the time since the line before. */
  private static boolean beginsAttempt(List<MetricsLine> lines, int i) {
    for (int earlier = i - 1; earlier >= 0; earlier--) {
      if (lines.get(earlier) instanceof MetricsLine.Train train) {
        return lines.get(i) instanceof MetricsLine.Train line && line.attempt() != train.attempt();
      }
    }
    return true;
  }

  private static void addKnown(List<Double> values, double value) {
    if (!Double.isNaN(value)) {
      values.add(Math.max(0, value));
    }
  }

  private static double seconds(List<MetricsLine> lines, int i) {
    return lines.get(i).runtime() - (i == 0 ? 0 : lines.get(i - 1).runtime());
  }

  private static long steps(List<MetricsLine> lines, int i) {
    return lines.get(i).step() - (i == 0 ? 0 : lines.get(i - 1).step());
  }

  private static double median(List<Double> values) {
    double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}
