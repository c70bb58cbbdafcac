package org.sparkfinetune.errors;

/** A state that this program promises never to reach: our mistake, not the user's. Exit code 1. */
public final class Bug extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public Bug(String message) {
    super(message + " This is a mistake in spark-finetune; please report it with this message.");
  }

  public Bug(String message, Throwable cause) {
    super(
        message + " This is a mistake in spark-finetune; please report it with this message.",
        cause);
  }
}
