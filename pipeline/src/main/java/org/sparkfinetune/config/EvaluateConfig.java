package org.sparkfinetune.config;

import java.util.Optional;
import java.util.Set;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.errors.UserError;

/** Everything that {@code evaluate} was asked for. */
public record EvaluateConfig(
    ModelChoice model,
    @Key(meaning = Meaning.PATH, doc = "what prepare wrote; its test split is used")
        String datasetPath,
    @Key(doc = "the first so many of the split; without it all") Optional<Integer> numSamples,
    @Key(
            otherwise = "loss,exact_match,execution_match",
            doc =
                "loss; exact_match (and normalised); execution_match: both queries are run in"
                    + " SQLite")
        Set<Metric> metrics,
    @Key(otherwise = "true", doc = "with adapter: measure the base model without it too")
        boolean compareBase,
    @Key(
            meaning = Meaning.PATH,
            doc =
                "folder for evaluation.json; without it the adapter's run folder, else the current"
                    + " one")
        Optional<String> output,
    @Key(
            meaning = Meaning.PATH,
            doc =
                "folder of the best adapter so far, replaced by this one if its loss is lower than"
                    + " that of the one there (measured on the same samples), else than the base"
                    + " model's")
        Optional<String> promoteTo,
    Sampling sampling) {
  public EvaluateConfig {
    KeyTable.check(
        EvaluateConfig.class, datasetPath, numSamples, metrics, compareBase, output, promoteTo);
    metrics = Set.copyOf(metrics);
    if (promoteTo.isPresent() && (model.adapter().isEmpty() || !metrics.contains(Metric.LOSS))) {
      throw new UserError(
          "promote_to is %s, which takes an adapter and compares losses; give adapter, and loss among metrics"
              .formatted(promoteTo.get()));
    }
  }

  /** What {@code evaluate} measures. */
  public enum Metric implements KeyTable.Choice {
    LOSS,
    /** Equal texts, and equal ones but for spaces, case and quotes. */
    EXACT_MATCH,
    /** Equal results of both queries. */
    EXECUTION_MATCH
  }
}
