package org.sparkfinetune.inference.evaluate;

import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.BiPredicate;
import java.util.stream.Stream;
import org.sparkfinetune.config.EvaluateConfig.Metric;

/** The metrics that have names. */
public final class AnswerMetrics {
  private AnswerMetrics() {}

  /**
   * Those of some names, in the order of the names' constants. The loss is none of them: it needs
   * no answer.
   *
   * @param answerPattern the expression of {@code pattern_match}
   */
  public static List<AnswerMetric> of(Collection<Metric> names, Optional<String> answerPattern) {
    return names.stream().sorted().distinct().flatMap(AnswerMetrics::named).toList();
  }

  private static Stream<AnswerMetric> named(Metric metric) {
    return switch (metric) {
      case LOSS -> Stream.of();
      case EXACT_MATCH ->
          Stream.of(
              new Equality("exact_match", String::equals),
              new Equality("normalised_match", AnswerMetrics::isNormalisedEqual));
      case EXECUTION_MATCH -> Stream.of(new ExecutionMatch(SqlJudge.standard()));
    };
  }

  /** Equal as SQL but for spaces, case of words, kinds of quotes and a last semicolon. */
  private static boolean isNormalisedEqual(String expected, String answer) {
    return SqlText.normalised(expected).equals(SqlText.normalised(answer));
  }

  /** Of two texts without the spaces around them. */
  private record Equality(String name, BiPredicate<String, String> isEqual)
      implements AnswerMetric {
    @Override
    public OptionalDouble score(AnsweredSample sample) {
      return OptionalDouble.of(
          isEqual.test(sample.expected().strip(), sample.answer().strip()) ? 1 : 0);
    }
  }
}
