package org.sparkfinetune.config;

import java.util.Optional;
import java.util.Set;

/**
 * Everything that {@code evaluate} was asked for.
 *
 * @param numSamples the first so many of the test split
 * @param compareBase measure the base model too, if there is an adapter
 * @param output folder of evaluation.json
 */
public record EvaluateConfig(
    ModelChoice model,
    String datasetPath,
    Optional<Integer> numSamples,
    Set<Metric> metrics,
    boolean compareBase,
    Optional<String> output,
    Sampling sampling) {
  public EvaluateConfig {
    EvaluateKeys.DATASET_PATH.check(datasetPath);
    EvaluateKeys.NUM_SAMPLES.check(numSamples);
    metrics = Set.copyOf(EvaluateKeys.METRICS.check(metrics));
    EvaluateKeys.OUTPUT.check(output);
  }
}
