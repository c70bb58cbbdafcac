package org.sparkfinetune.inference.evaluate;

/** Comparisons of an answer with the expected text. */
public final class Answer {
  private Answer() {}

  /** Equal but for spaces around, as the reference's sibling recipe measures. */
  public static boolean isExact(String expected, String generated) {
    return expected.strip().equals(generated.strip());
  }

  /** Equal as SQL but for spaces, case of words, kinds of quotes and a last semicolon. */
  public static boolean isNormalisedEqual(String expected, String generated) {
    return SqlText.normalised(expected).equals(SqlText.normalised(generated));
  }
}
