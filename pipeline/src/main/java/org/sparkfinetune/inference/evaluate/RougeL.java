package org.sparkfinetune.inference.evaluate;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/**
 * ROUGE-L (Lin 2004): F1 of the longest common subsequence of words. As google-research's
 * rouge_score computes {@code rougeL} without a stemmer: lower-cased, and words are runs of a to z
 * and 0 to 9.
 */
final class RougeL {
  private RougeL() {}

  /** From 0 to 1; empty where the expected text has no such words. */
  static OptionalDouble score(String expected, String answer) {
    List<String> target = words(expected);
    List<String> made = words(answer);
    if (target.isEmpty()) {
      return OptionalDouble.empty();
    }
    double common = longestCommonSubsequence(target, made);
    if (common == 0) {
      return OptionalDouble.of(0);
    }
    double precision = common / made.size();
    double recall = common / target.size();
    return OptionalDouble.of(2 * precision * recall / (precision + recall));
  }

  private static List<String> words(String text) {
    return Arrays.stream(text.toLowerCase(Locale.ROOT).split("[^a-z0-9]+"))
        .filter(word -> !word.isEmpty())
        .toList();
  }

  /** One row of the table at a time. */
  private static int longestCommonSubsequence(List<String> a, List<String> b) {
    int[] above = new int[b.size() + 1];
    for (String word : a) {
      int[] row = new int[b.size() + 1];
      for (int j = 1; j <= b.size(); j++) {
        row[j] = word.equals(b.get(j - 1)) ? above[j - 1] + 1 : Math.max(above[j], row[j - 1]);
      }
      above = row;
    }
    return above[b.size()];
  }
}
