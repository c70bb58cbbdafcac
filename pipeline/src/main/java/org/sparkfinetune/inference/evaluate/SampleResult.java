package org.sparkfinetune.inference.evaluate;

import java.util.Optional;
import org.sparkfinetune.inference.evaluate.ModelResult.Mean;

/**
 * What a model made of one sample; of each metric only if it was asked for.
 *
 * @param loss over the sample's trained tokens
 */
public record SampleResult(
    Optional<Mean.Part> loss,
    Optional<String> generated,
    boolean exact,
    boolean normalised,
    Optional<Verdict> verdict) {

  /** Comparisons of an answer with the expected text. */
  public static final class Answer {
    private Answer() {}

    /** Equal but for spaces around, as the reference's sibling recipe measures. */
    public static boolean isExact(String expected, String generated) {
      return expected.strip().equals(generated.strip());
    }

    /** Equal as SQL but for spaces, case of words, kinds of quotes and a last semicolon. */
    public static boolean isNormalisedEqual(String expected, String generated) {
      return SqlText.normalised(expected).equals(SqlText.normalised(generated));
    }
  }

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
      /** The expected query or the schema does not run in SQLite: nothing can be said. */
      UNJUDGED
    }

    public boolean isMatch() {
      return kind == Kind.MATCH;
    }
  }
}
