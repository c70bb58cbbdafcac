package org.sparkfinetune.errors;

/** Words of others inside a message of ours. */
public final class Sentence {
  private Sentence() {}

  /** The words, with a stop where they have no end of their own. */
  public static String ended(String words) {
    return words.matches("(?s).*[.?!]") ? words : words + ".";
  }
}
