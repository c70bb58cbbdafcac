package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.errors.UserError;

/** What the evaluations of a training run measure, beside the loss by answers of the model. */
public record EvalMetrics(
    @Key(
            otherwise = "loss",
            doc =
                "what evaluations measure: the loss always; for the others the model answers rows of"
                    + " the test split")
        Set<Metric> evalMetrics,
    @Key(
            meaning = Meaning.EXPRESSION,
            doc = "for pattern_match: a regular expression; its first group counts if it has one")
        Optional<String> answerPattern,
    @Key(
            doc =
                "metrics of your own by name: SQL over prompt, expected and answer, or class: and an"
                    + " AnswerMetric's name")
        Optional<Map<String, String>> evalCustomMetrics,
    @Key(otherwise = "50", doc = "rows of the test split that are answered, the first ones")
        int evalGenerateSamples,
    @Key(
            doc =
                "at most so many tokens an answer; without it twice the longest expected one, at"
                    + " most 512")
        OptionalInt evalMaxNewTokens) {
  private static final String NAME = "[a-z][a-z0-9_]{0,63}";

  public EvalMetrics {
    KeyTable.check(
        EvalMetrics.class,
        evalMetrics,
        answerPattern,
        evalCustomMetrics,
        evalGenerateSamples,
        evalMaxNewTokens);
    evalMetrics = Set.copyOf(evalMetrics);
    EvaluateConfig.checkPattern("eval_metrics", evalMetrics, answerPattern);
    for (String name : evalCustomMetrics.orElse(Map.of()).keySet()) {
      boolean known = isMetric(name) || name.contains("loss");
      if (known || !name.matches(NAME)) {
        throw new UserError(
            "eval_custom_metrics has %s, which %s; allowed are names of small letters, digits and _ that are no metric's and have no loss in them"
                .formatted(name, known ? "has a meaning already" : "is no name"));
      }
    }
  }

  private static boolean isMetric(String text) {
    return Arrays.stream(Metric.values()).anyMatch(metric -> metric.text().equals(text));
  }

  /** Without the loss. */
  public Set<Metric> ofAnswers() {
    Set<Metric> metrics = new TreeSet<>(evalMetrics);
    metrics.remove(Metric.LOSS);
    return metrics;
  }

  /** The user's own, by name. */
  public Map<String, String> custom() {
    return new TreeMap<>(evalCustomMetrics.orElse(Map.of()));
  }

  /** Whether the model has to answer. */
  public boolean needAnswers() {
    return !ofAnswers().isEmpty() || !custom().isEmpty();
  }

  /** What is asked for, as {@code metric_for_best_model} may name it, without {@code loss}. */
  public List<String> names() {
    List<String> names = new ArrayList<>();
    ofAnswers().forEach(metric -> names.add(metric.text()));
    names.addAll(custom().keySet());
    return names;
  }
}
