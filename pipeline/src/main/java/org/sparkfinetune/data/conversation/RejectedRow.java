package org.sparkfinetune.data.conversation;

/**
 * A row that is not taken, and why. Checked, because every reader has to count it; without a stack
 * trace, because a million of them may be thrown and none is a bug.
 */
public final class RejectedRow extends Exception {
  private static final long serialVersionUID = 1L;

  private final RejectionReason reason;

  /**
   * @param detail what this row holds and what is needed, for a person
   */
  public RejectedRow(RejectionReason reason, String detail) {
    super(detail, null, false, false);
    this.reason = reason;
  }

  public RejectionReason reason() {
    return reason;
  }

  public String detail() {
    return String.valueOf(getMessage());
  }

  /**
   * Why a row cannot become a conversation. {@link #text()} is what reports count by and what
   * {@code rejected/} holds, so it is a promise to users and never carries values of a row.
   */
  public enum RejectionReason {
    NOT_UTF8("not UTF-8"),
    NOT_UNICODE("half a surrogate pair in a text"),
    NOT_JSON("not valid JSON"),
    DUPLICATE_KEY("a key twice in one object"),
    NOT_AN_OBJECT("not a JSON object"),
    TOO_LONG("row too long"),
    CSV_QUOTES("broken CSV quotes"),
    CSV_COLUMNS("wrong number of CSV columns"),
    MISSING_COLUMN("missing column"),
    NULL_VALUE("null where a value is needed"),
    WRONG_TYPE("wrong type"),
    NO_MESSAGES("no messages"),
    UNKNOWN_ROLE("unknown role"),
    ROLES_OUT_OF_ORDER("roles out of order"),
    ODD_TURNS("odd number of turns"),
    EMPTY_ASSISTANT_TURN("empty assistant turn"),
    NOTHING_TO_TRAIN("nothing to train"),
    NO_PREFERENCE("no preference"),
    UNSUPPORTED_CONTENT("content that is not text");

    private final String text;

    RejectionReason(String text) {
      this.text = text;
    }

    public String text() {
      return text;
    }
  }
}
