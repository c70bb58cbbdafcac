package org.sparkfinetune.inference.evaluate;

import java.util.HashMap;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * chrF2 (Popović 2015): precision and recall of sequences of one to six characters, averaged over
 * those lengths that both texts have, as F with beta 2. As sacrebleu computes {@code chrF2} of a
 * sentence, over 100: white space is left out, case counts, and there is no smoothing.
 */
final class Chrf {
  private static final int ORDER = 6;
  private static final double BETA_SQUARED = 4;

  private Chrf() {}

  /** From 0 to 1; empty where the expected text is empty. */
  static OptionalDouble score(String expected, String answer) {
    int[] target = characters(expected);
    int[] made = characters(answer);
    if (target.length == 0) {
      return OptionalDouble.empty();
    }
    int orders = Math.min(ORDER, Math.min(target.length, made.length));
    double precision = 0;
    double recall = 0;
    for (int n = 1; n <= orders; n++) {
      double matches = matches(sequences(target, n), sequences(made, n));
      precision += matches / (made.length - n + 1) / orders;
      recall += matches / (target.length - n + 1) / orders;
    }
    return OptionalDouble.of(
        precision + recall == 0
            ? 0
            : (1 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall));
  }

  /** Code points without what Python's {@code str.split} takes for space. */
  private static int[] characters(String text) {
    return text.codePoints()
        .filter(c -> !Character.isWhitespace(c) && !Character.isSpaceChar(c) && c != 0x85)
        .toArray();
  }

  private static Map<String, Integer> sequences(int[] characters, int n) {
    Map<String, Integer> counts = new HashMap<>();
    for (int i = 0; i + n <= characters.length; i++) {
      counts.merge(new String(characters, i, n), 1, Integer::sum);
    }
    return counts;
  }

  private static int matches(Map<String, Integer> target, Map<String, Integer> made) {
    int matches = 0;
    for (Map.Entry<String, Integer> sequence : made.entrySet()) {
      matches += Math.min(sequence.getValue(), target.getOrDefault(sequence.getKey(), 0));
    }
    return matches;
  }
}
