package org.sparkfinetune.tokenize;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.conversation.Span;

/** Finds special tokens in a text as a tokenizer does: from the left, the longest first. */
final class SpecialTokenFinder {
  record Match(SpecialToken token, Span span) {}

  private final Map<Character, List<SpecialToken>> byFirstCharacter = new HashMap<>();

  SpecialTokenFinder(List<SpecialToken> tokens) {
    for (SpecialToken token : tokens) {
      if (!token.text().isEmpty()) {
        byFirstCharacter.computeIfAbsent(token.text().charAt(0), c -> new ArrayList<>()).add(token);
      }
    }
    Comparator<SpecialToken> longestFirst = Comparator.comparingInt(t -> -t.text().length());
    byFirstCharacter.values().forEach(list -> list.sort(longestFirst));
  }

  List<Match> find(String text) {
    List<Match> found = new ArrayList<>();
    int at = 0;
    while (at < text.length()) {
      Optional<SpecialToken> token = tokenAt(text, at);
      if (token.isPresent()) {
        int end = at + token.get().text().length();
        found.add(new Match(token.get(), new Span(at, end)));
        at = end;
      } else {
        at++;
      }
    }
    return found;
  }

  private Optional<SpecialToken> tokenAt(String text, int at) {
    List<SpecialToken> candidates = byFirstCharacter.get(text.charAt(at));
    if (candidates != null) {
      for (SpecialToken token : candidates) {
        if (text.startsWith(token.text(), at)) {
          return Optional.of(token);
        }
      }
    }
    return Optional.empty();
  }
}
