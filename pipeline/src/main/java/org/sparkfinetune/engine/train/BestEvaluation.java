package org.sparkfinetune.engine.train;

import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import org.sparkfinetune.config.BestModel;
import org.sparkfinetune.engine.metrics.Summary.Best;
import org.sparkfinetune.engine.train.Trainer.TrainingEvents.Evaluated;

/**
 * The best evaluation of a run so far, and how many in a row were no better: {@code
 * metric_for_best_model} and early stopping with the arithmetic of transformers' Trainer and
 * EarlyStoppingCallback. Every rank keeps its own, from numbers that are the same on all.
 */
final class BestEvaluation {
  private static final String BEST = "best_metric";
  private static final String STEP = "best_step";
  private static final String WORSE = "evaluations_without_better";

  private final BestModel settings;
  private double best = Double.NaN;
  private long step;
  private long worse;

  BestEvaluation(BestModel settings) {
    this.settings = settings;
  }

  /** After the step of a checkpoint whose {@link #counters} these are. */
  void restore(Map<String, Double> counters) {
    best = counters.getOrDefault(BEST, Double.NaN);
    step = counters.getOrDefault(STEP, 0.0).longValue();
    worse = counters.getOrDefault(WORSE, 0.0).longValue();
  }

  /** What {@link #restore} needs; empty before the first evaluation. */
  Map<String, Double> counters() {
    Map<String, Double> counters = new TreeMap<>();
    if (step > 0) {
      counters.put(BEST, best);
      counters.put(STEP, (double) step);
      counters.put(WORSE, (double) worse);
    }
    return counters;
  }

  void evaluated(Evaluated evaluated) {
    double value = settings.of(evaluated.loss(), evaluated.lossBySource(), evaluated.ofAnswers());
    boolean first = step == 0 && !Double.isNaN(value);
    boolean better = first || isBetter(value);
    boolean enough = better && Math.abs(value - best) > settings.earlyStoppingThreshold();
    worse = first || enough ? 0 : worse + 1;
    if (better) {
      best = value;
      step = evaluated.step();
    }
  }

  private boolean isBetter(double value) {
    return settings.isGreaterBetter() ? value > best : value < best;
  }

  /** Whether the run is to end, because the last evaluations were no better. */
  boolean endsRun() {
    return settings.earlyStoppingPatience().isPresent()
        && worse >= settings.earlyStoppingPatience().getAsInt();
  }

  /** The step of the best evaluation whose weights are the run's result; empty for the last's. */
  OptionalLong resultingStep() {
    return settings.loadBestModelAtEnd() && step > 0 ? OptionalLong.of(step) : OptionalLong.empty();
  }

  /** For the run's summary; empty where evaluations have no bearing on the run. */
  List<Best> summary() {
    return settings.isAsked() && step > 0
        ? List.of(new Best(settings.name(), best, step, settings.loadBestModelAtEnd()))
        : List.of();
  }

  /** The evaluation after this step was the best so far, and its weights may be the result. */
  boolean isToBeKept(long evaluatedStep) {
    return settings.loadBestModelAtEnd() && step == evaluatedStep;
  }

  /** Whether {@link #isToBeKept} may ever be true. */
  boolean mayBeKept() {
    return settings.loadBestModelAtEnd();
  }

  /** As if nothing had been evaluated. */
  void forget() {
    restore(Map.of());
  }
}
