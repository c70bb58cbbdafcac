package org.sparkfinetune.spark.cluster;

/** One start of the stage failed for a reason that the next start may not meet. */
public final class AttemptFailure extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final transient FirstCause first;

  public AttemptFailure(FirstCause first, Throwable cause) {
    super(first.text(), cause);
    this.first = first;
  }

  public FirstCause first() {
    return first;
  }
}
