package org.sparkfinetune.data.tokenize;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.sparkfinetune.data.template.RenderedConversation.Span;
import org.sparkfinetune.data.tokenize.TokenizerJson.SpecialToken;

/** Finds special tokens in a text as a tokenizer does: from the left, the longest first. */
final class SpecialTokenFinder {
  record Match(SpecialToken token, Span span) {}

  private static final int[] NONE = {};

  private final Map<String, SpecialToken> byText = new HashMap<>();

  /** Lengths of the tokens that begin with a character, longest first: most begin no token. */
  private final int[][] lengths;

  SpecialTokenFinder(List<SpecialToken> tokens) {
    for (SpecialToken token : tokens) {
      if (!token.text().isEmpty()) {
        byText.putIfAbsent(token.text(), token);
      }
    }
    int largest = byText.keySet().stream().mapToInt(text -> text.charAt(0)).max().orElse(-1);
    lengths = new int[largest + 1][];
    for (int c = 0; c < lengths.length; c++) {
      char first = (char) c;
      lengths[c] =
          byText.keySet().stream()
              .filter(text -> text.charAt(0) == first)
              .map(String::length)
              .distinct()
              .sorted(Comparator.reverseOrder())
              .mapToInt(length -> length)
              .toArray();
    }
  }

  List<Match> find(String text) {
    List<Match> found = new ArrayList<>();
    int at = 0;
    while (at < text.length()) {
      int next = at + 1;
      for (int length : lengthsOf(text.charAt(at))) {
        int end = at + length;
        SpecialToken token = end > text.length() ? null : byText.get(text.substring(at, end));
        if (token != null) {
          next = end;
          found.add(new Match(token, new Span(at, end)));
          break;
        }
      }
      at = next;
    }
    return found;
  }

  private int[] lengthsOf(char first) {
    return first < lengths.length ? lengths[first] : NONE;
  }
}
