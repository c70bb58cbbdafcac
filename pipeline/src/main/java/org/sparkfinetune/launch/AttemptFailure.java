package org.sparkfinetune.launch;

/** One start of the stage failed for a reason that the next start may not meet. */
final class AttemptFailure extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final transient FirstCause first;

  AttemptFailure(FirstCause first, Throwable cause) {
    super(first.text(), cause);
    this.first = first;
  }

  FirstCause first() {
    return first;
  }
}
