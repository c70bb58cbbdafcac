package org.sparkfinetune.config;

import java.util.Optional;
import java.util.Set;
import org.sparkfinetune.errors.UserError;

/**
 * Everything that {@code evaluate} was asked for.
 *
 * @param numSamples the first so many of the test split
 * @param compareBase measure the base model too, if there is an adapter
 * @param output folder of evaluation.json
 * @param promoteTo folder of the best adapter so far
 */
public record EvaluateConfig(
    ModelChoice model,
    String datasetPath,
    Optional<Integer> numSamples,
    Set<Metric> metrics,
    boolean compareBase,
    Optional<String> output,
    Optional<String> promoteTo,
    Sampling sampling) {
  public EvaluateConfig {
    EvaluateKeys.DATASET_PATH.check(datasetPath);
    EvaluateKeys.NUM_SAMPLES.check(numSamples);
    metrics = Set.copyOf(EvaluateKeys.METRICS.check(metrics));
    EvaluateKeys.OUTPUT.check(output);
    EvaluateKeys.PROMOTE_TO.check(promoteTo);
    if (promoteTo.isPresent() && (model.adapter().isEmpty() || !metrics.contains(Metric.LOSS))) {
      throw new UserError(
          "promote_to is %s, which takes an adapter and compares losses; give adapter, and loss among metrics"
              .formatted(promoteTo.get()));
    }
  }
}
