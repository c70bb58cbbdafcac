package org.sparkfinetune.inference.evaluate;

import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.inference.evaluate.ModelResult.Mean;

/**
 * What a model made of one sample; of each metric only if it was asked for.
 *
 * @param loss over the sample's trained tokens
 * @param scores name of a metric to score, without those that cannot judge this sample
 * @param verdict of running both queries
 */
public record SampleResult(
    Optional<Mean.Part> loss,
    Optional<Answer> answer,
    Map<String, Double> scores,
    Optional<Verdict> verdict) {
  public SampleResult {
    scores = Map.copyOf(scores);
  }

  /** A metric's score as that of one thing, for means. */
  Optional<Mean.Part> score(String metric) {
    return Optional.ofNullable(scores.get(metric)).map(score -> new Mean.Part(score, 1));
  }

  /**
   * What a model wrote, stripped.
   *
   * @param isTruncated whether it ended at {@code max_new_tokens} or the end of the context
   */
  public record Answer(String text, boolean isTruncated) {}

  /**
   * What became of a generated query.
   *
   * @param reason one line: what differs, or SQLite's message
   */
  public record Verdict(Kind kind, String reason) {

    /** Kinds of verdicts. */
    public enum Kind {
      /** The same results as the expected query on every database. */
      MATCH,
      OTHER_ROWS,
      OTHER_ORDER,
      OTHER_COLUMNS,
      SYNTAX_ERROR,
      UNKNOWN_TABLE,
      UNKNOWN_COLUMN,
      /** Another error of SQLite's. */
      FAILED,
      /** Still running after the time limit. */
      TIME_OUT,
      /** More rows, or larger values, than the limit. */
      TOO_LARGE,
      /** Not one query: it would write, attach a file, or is several statements. */
      NOT_A_QUERY,
      /**
       * The expected query or the schema does not run in SQLite: nothing can be said, whatever was
       * generated.
       */
      UNJUDGED
    }

    /** True for {@link Kind#MATCH}. */
    public boolean isMatch() {
      return kind == Kind.MATCH;
    }
  }
}
