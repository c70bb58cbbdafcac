package org.sparkfinetune.spark.prepare;

/**
 * How deep in brackets the bytes of a JSON text are that were taken so far. Brackets and quotes
 * alone are looked at, so that a value that is no JSON can be cut out of a file as well.
 */
final class JsonNesting {
  private int depth;
  private boolean inText;
  private boolean escaped;

  void take(byte b) {
    if (inText) {
      inText = escaped || b != '"';
      escaped = !escaped && b == '\\';
    } else if (b == '"') {
      inText = true;
    } else if (b == '{' || b == '[') {
      depth++;
    } else if (depth > 0 && (b == '}' || b == ']')) {
      depth--;
    }
  }

  boolean isInText() {
    return inText;
  }

  boolean isOutside() {
    return depth == 0 && !inText;
  }

  static boolean isSpace(byte b) {
    return b == ' ' || b == '\n' || b == '\r' || b == '\t';
  }
}
