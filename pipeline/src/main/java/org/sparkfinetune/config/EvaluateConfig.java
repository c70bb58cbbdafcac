package org.sparkfinetune.config;

import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;

/**
 * Everything that {@code evaluate} was asked for.
 *
 * @param model without an adapter: those are in {@code adapter}
 * @param maxNewTokens without it the data say so, not {@code sampling}
 */
public record EvaluateConfig(
    ModelChoice model,
    @Key(
            meaning = Meaning.MODEL,
            allowed = "folders, Hadoop URIs or hub ids (owner/name), with commas between",
            doc = "PEFT adapter, ours or PEFT's own; several, A,B,C, are measured side by side")
        Optional<List<String>> adapter,
    @Key(meaning = Meaning.PATH, doc = "what prepare wrote; its test split is used")
        String datasetPath,
    @Key(doc = "the first so many of the split; without it all") Optional<Integer> numSamples,
    @Key(otherwise = "loss,exact_match,execution_match", doc = METRICS) Set<Metric> metrics,
    @Key(
            meaning = Meaning.EXPRESSION,
            doc = "for pattern_match: a regular expression; its first group counts if it has one")
        Optional<String> answerPattern,
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
    Sampling sampling,
    @Key(
            doc =
                "at most so many tokens an answer; without it twice those of the longest expected"
                    + " answer, and no more than 512")
        OptionalInt maxNewTokens) {

  static final String METRICS =
      "loss; exact_match (and normalised); execution_match: both queries are run in SQLite;"
          + " number_match: the number after the last ####, else the last one; pattern_match: what"
          + " answer_pattern finds last; json_match: equal JSON or tool calls; rouge_l; chrf";

  public EvaluateConfig {
    KeyTable.check(
        EvaluateConfig.class,
        adapter,
        datasetPath,
        numSamples,
        metrics,
        answerPattern,
        compareBase,
        output,
        promoteTo,
        maxNewTokens);
    metrics = Set.copyOf(metrics);
    adapter = adapter.map(List::copyOf);
    if (model.adapter().isPresent()) {
      throw new Bug("An evaluation's model has the adapter %s.".formatted(model.adapter().get()));
    }
    checkPattern("metrics", metrics, answerPattern);
    List<String> adapters = adapter.orElse(List.of());
    adapters.stream()
        .filter(one -> Collections.frequency(adapters, one) > 1)
        .findFirst()
        .ifPresent(
            twice -> {
              throw new UserError("adapter has %s more than once; keep one".formatted(twice));
            });
    if (promoteTo.isPresent() && adapters.size() > 1) {
      throw new UserError(
          "promote_to is %s, which takes one adapter, and adapter has %s; measure them side by side without promote_to, then promote the best"
              .formatted(promoteTo.get(), adapters.size()));
    }
    if (promoteTo.isPresent() && (adapters.isEmpty() || !metrics.contains(Metric.LOSS))) {
      throw new UserError(
          "promote_to is %s, which takes an adapter and compares losses; give adapter, and loss among metrics"
              .formatted(promoteTo.get()));
    }
  }

  /**
   * Checks that metrics have the expression they need, and that an expression is needed.
   *
   * @param key that holds the metrics
   * @throws UserError if not, or if it is no regular expression
   */
  static void checkPattern(String key, Set<Metric> metrics, Optional<String> answerPattern) {
    boolean needed = metrics.contains(Metric.PATTERN_MATCH);
    if (needed != answerPattern.isPresent()) {
      throw new UserError(
          needed
              ? "%s has pattern_match, which looks for answer_pattern; give that, a regular expression such as (?i)answer: *([A-D])"
                  .formatted(key)
              : "answer_pattern is %s, and nothing looks for it; add pattern_match to %s"
                  .formatted(answerPattern.orElseThrow(), key));
    }
    try {
      answerPattern.ifPresent(Pattern::compile);
    } catch (PatternSyntaxException e) {
      throw new UserError(
          "answer_pattern is %s, which is no regular expression of Java's: %s at character %s"
              .formatted(e.getPattern(), e.getDescription(), e.getIndex() + 1),
          e);
    }
  }

  /** The models to measure: one for each adapter, or else the base model alone. */
  public List<ModelChoice> candidates() {
    return adapter
        .map(
            all ->
                all.stream()
                    .map(one -> model.at(model.modelId(), Optional.of(one), model.tokenizer()))
                    .toList())
        .orElse(List.of(model));
  }

  /** What {@code evaluate} measures. */
  public enum Metric implements KeyTable.Choice {
    LOSS,
    /** Equal texts, and equal ones but for spaces, case and quotes. */
    EXACT_MATCH,
    /** Equal results of both queries. */
    EXECUTION_MATCH,
    /** Equal numbers behind the last {@code ####}, or else equal last numbers. */
    NUMBER_MATCH,
    /** Equal finds of a regular expression. */
    PATTERN_MATCH,
    /** Equal JSON; of tool calls names and arguments, however a template spells them. */
    JSON_MATCH,
    /** F1 of the longest common subsequence of words. */
    ROUGE_L,
    /** F2 of sequences of up to six characters. */
    CHRF
  }
}
