package org.sparkfinetune.config;

import java.util.Collections;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * What is told while a run goes on.
 *
 * @param loggingSteps optimizer steps between two lines
 * @param reportTo empty for {@code none}
 * @param evalSteps steps between evaluations, under {@link IntervalStrategy#STEPS}
 * @param evalOnStart evaluates before the first step too
 */
public record Reporting(
    int loggingSteps,
    Set<Reporter> reportTo,
    IntervalStrategy evalStrategy,
    int evalSteps,
    boolean evalOnStart) {
  public Reporting {
    TrainKeys.LOGGING_STEPS.check(loggingSteps);
    TrainKeys.EVAL_STEPS.check(Optional.of(evalSteps));
    reportTo = Collections.unmodifiableSet(new TreeSet<>(reportTo));
  }

  /** Whether the test split is ever looked at. */
  public boolean evaluates() {
    return evalOnStart || evalStrategy != IntervalStrategy.NO;
  }
}
