package org.sparkfinetune.inference.evaluate;

import java.math.BigDecimal;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.evaluate.AnswerMetric.Scale;

/**
 * The metrics that have names. Those that compare texts cannot judge a tool call, which every
 * template spells in its own way.
 */
public final class AnswerMetrics {
  /** With a sign that is no minus between two terms, and commas between thousands. */
  private static final Pattern NUMBER =
      Pattern.compile(
          "(?:(?<![\\p{L}\\p{N})\\]])([-\u2212]))?\\p{Sc}?"
              + "((?:\\d{1,3}(?:,\\d{3})+(?!\\d)|\\d+)(?:\\.\\d+)?|\\.\\d+)");

  /** Where gsm8k's answers begin. */
  private static final String FINAL = "####";

  private AnswerMetrics() {}

  /**
   * Those of some names, in the order of the names' constants. The loss is none of them: it needs
   * no answer.
   *
   * @param answerPattern the regular expression of {@code pattern_match}
   * @throws UserError if that is needed and not there
   */
  public static List<AnswerMetric> of(Collection<Metric> names, Optional<String> answerPattern) {
    return names.stream()
        .sorted()
        .distinct()
        .flatMap(metric -> named(metric, answerPattern))
        .toList();
  }

  private static Stream<AnswerMetric> named(Metric metric, Optional<String> answerPattern) {
    return switch (metric) {
      case LOSS -> Stream.of();
      case EXACT_MATCH ->
          Stream.of(
              equality("exact_match", Optional::of),
              // As SQL but for spaces, case of words, kinds of quotes and a last semicolon.
              equality("normalised_match", text -> Optional.of(SqlText.normalised(text))));
      case EXECUTION_MATCH -> Stream.of(new ExecutionMatch(SqlJudge.standard()));
      case NUMBER_MATCH -> Stream.of(equality("number_match", AnswerMetrics::number));
      case PATTERN_MATCH -> Stream.of(patternMatch(answerPattern));
      case JSON_MATCH -> Stream.of(new JsonMatch());
      case ROUGE_L -> Stream.of(new TextMetric("rouge_l", Scale.GRADE, RougeL::score));
      case CHRF -> Stream.of(new TextMetric("chrf", Scale.GRADE, Chrf::score));
    };
  }

  private static AnswerMetric patternMatch(Optional<String> answerPattern) {
    Pattern pattern =
        Pattern.compile(
            answerPattern.orElseThrow(
                () -> new UserError("pattern_match needs answer_pattern, a regular expression")));
    return equality("pattern_match", text -> last(pattern, text).map(AnswerMetrics::found));
  }

  /** The first group, or the whole where there is none or it took no part. */
  private static String found(MatchResult match) {
    String group = match.groupCount() > 0 ? match.group(1) : null;
    return (group == null ? match.group() : group).strip();
  }

  private static Optional<MatchResult> last(Pattern pattern, String text) {
    return pattern.matcher(text).results().reduce((before, match) -> match);
  }

  /** The first number behind the last {@code ####}, or else the last one; 5.0 is 5. */
  private static Optional<BigDecimal> number(String text) {
    int begin = text.lastIndexOf(FINAL);
    Matcher behind = NUMBER.matcher(begin < 0 ? "" : text.substring(begin));
    Optional<MatchResult> match =
        behind.find() ? Optional.of(behind.toMatchResult()) : last(NUMBER, text);
    return match.map(
        found -> {
          BigDecimal digits = new BigDecimal(found.group(2).replace(",", ""));
          return (found.group(1) == null ? digits : digits.negate()).stripTrailingZeros();
        });
  }

  /**
   * Whether the same is found in both texts.
   *
   * @param find what counts of a text; empty where the text has none
   */
  private static <T> AnswerMetric equality(String name, Function<String, Optional<T>> find) {
    return new TextMetric(
        name,
        Scale.HIT,
        (expected, answer) ->
            find.apply(expected)
                .map(wanted -> find.apply(answer).filter(wanted::equals).isPresent() ? 1.0 : 0.0)
                .map(OptionalDouble::of)
                .orElse(OptionalDouble.empty()));
  }

  /** Compares the expected text and the answer, both stripped. */
  private record TextMetric(
      String name, Scale scale, BiFunction<String, String, OptionalDouble> comparison)
      implements AnswerMetric {
    @Override
    public OptionalDouble score(AnsweredSample sample) {
      return AnsweredSample.expected(sample.conversation()).extras().toolCalls().isEmpty()
          ? comparison.apply(sample.expected().strip(), sample.answer().strip())
          : OptionalDouble.empty();
    }
  }
}
