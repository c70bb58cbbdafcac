package org.sparkfinetune.spark.prepare;

/** The beginning of a text, never ending in half a character. */
final class Excerpt {
  static final int LENGTH = 200;

  private Excerpt() {}

  static String of(String text) {
    if (text.length() <= LENGTH) {
      return text;
    }
    int end = Character.isHighSurrogate(text.charAt(LENGTH - 1)) ? LENGTH - 1 : LENGTH;
    return text.substring(0, end) + "…";
  }
}
