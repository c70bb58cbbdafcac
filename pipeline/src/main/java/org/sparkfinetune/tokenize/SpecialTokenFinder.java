package org.sparkfinetune.tokenize;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.sparkfinetune.conversation.Span;

/** Finds special tokens in a text as a tokenizer does: from the left, the longest first. */
final class SpecialTokenFinder {
  record Match(SpecialToken token, Span span) {}

  private static final SpecialToken[] NONE = {};

  /** By first character, longest first. Every character of a data set passes here: no maps. */
  private final SpecialToken[][] byFirst;

  SpecialTokenFinder(List<SpecialToken> tokens) {
    List<SpecialToken> sorted = new ArrayList<>(tokens);
    sorted.removeIf(token -> token.text().isEmpty());
    sorted.sort(Comparator.comparingInt(token -> -token.text().length()));
    int largest = sorted.stream().mapToInt(token -> token.text().charAt(0)).max().orElse(-1);
    byFirst = new SpecialToken[largest + 1][];
    for (int c = 0; c < byFirst.length; c++) {
      char first = (char) c;
      byFirst[c] =
          sorted.stream()
              .filter(token -> token.text().charAt(0) == first)
              .toArray(SpecialToken[]::new);
    }
  }

  List<Match> find(String text) {
    List<Match> found = new ArrayList<>();
    int at = 0;
    while (at < text.length()) {
      int next = at + 1;
      for (SpecialToken token : startingWith(text.charAt(at))) {
        if (text.startsWith(token.text(), at)) {
          next = at + token.text().length();
          found.add(new Match(token, new Span(at, next)));
          break;
        }
      }
      at = next;
    }
    return found;
  }

  private SpecialToken[] startingWith(char c) {
    return c < byFirst.length ? byFirst[c] : NONE;
  }
}
