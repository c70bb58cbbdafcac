package org.sparkfinetune.errors;

/**
 * A run that began and could not go on though nothing about its input is wrong: a lost executor, a
 * full disk, a store that went away. Exit code 1. The message names rank, host and phase where they
 * are known, and what to do next.
 */
public final class RunFailure extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public RunFailure(String message) {
    super(message);
  }

  public RunFailure(String message, Throwable cause) {
    super(message, cause);
  }
}
