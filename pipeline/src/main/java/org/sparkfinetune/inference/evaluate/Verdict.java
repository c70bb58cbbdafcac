package org.sparkfinetune.inference.evaluate;

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
