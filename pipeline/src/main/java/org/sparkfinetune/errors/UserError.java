package org.sparkfinetune.errors;

/**
 * Something the user has to change: configuration, input, cluster. Exit code 2, the message alone
 * is shown. The message says what, where (file and line, or key), the value, what is allowed and
 * what to do next.
 */
public final class UserError extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public UserError(String message) {
    super(message);
  }

  public UserError(String message, Throwable cause) {
    super(message, cause);
  }
}
