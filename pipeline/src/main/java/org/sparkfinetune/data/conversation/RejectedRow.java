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
}
