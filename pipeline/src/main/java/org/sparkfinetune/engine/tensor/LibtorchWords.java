package org.sparkfinetune.engine.tensor;

/** What libtorch says of an error, without the script's traceback around it. */
final class LibtorchWords {
  private static final String ERROR = "RuntimeError: ";
  private static final int LONG = 400;

  private LibtorchWords() {}

  /** What follows the traceback, where there is one. */
  static String of(String message) {
    int at = message.lastIndexOf(ERROR);
    return (at < 0 ? message : message.substring(at + ERROR.length())).strip();
  }

  /** The first line, and not more of it than is read. */
  static String shortened(String words) {
    String line = words.lines().findFirst().orElse("");
    return line.length() <= LONG ? line : line.substring(0, LONG) + " …";
  }
}
