package org.sparkfinetune.spark.prepare;

/** Says what went wrong in one line of a message of ours. */
final class Failures {
  private Failures() {}

  static Throwable root(Throwable failure) {
    Throwable at = failure;
    while (at.getCause() != null && at.getCause() != at) {
      at = at.getCause();
    }
    return at;
  }

  /** The first line of the deepest cause: the lines under it are stack traces of other machines. */
  static String oneLine(Throwable failure) {
    Throwable root = root(failure);
    String message = root.getMessage();
    String type = root.getClass().getSimpleName();
    return message == null ? type : type + ": " + message.lines().findFirst().orElse("");
  }
}
