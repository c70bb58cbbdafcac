package org.sparkfinetune.data.tokenize;

import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.data.template.RenderedConversation.Span;
import org.sparkfinetune.data.tokenize.NativeTokenizer.Encoded;
import org.sparkfinetune.data.tokenize.SpecialTokenFinder.Match;
import org.sparkfinetune.errors.UserError;

/**
 * Encodes a text whose special tokens are given: each of them by its id, what lies between two of
 * them whole, as plain text.
 */
final class PieceEncoder {
  private final LlamaTokenizer tokenizer;
  private int[] ids = new int[256];
  private int[] ends = new int[256];
  private int size = 0;

  PieceEncoder(LlamaTokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  Encoded encode(String text, List<Match> special) {
    int from = 0;
    for (Match match : special) {
      int to = match.span().from();
      plain(
          text, from, match.token().swallowsSpaceBefore() ? endWithoutSpaces(text, from, to) : to);
      add(match.token().id(), match.span().to());
      from = match.span().to();
      while (match.token().swallowsSpaceAfter()
          && from < text.length()
          && Character.isWhitespace(text.charAt(from))) {
        from++;
      }
    }
    plain(text, from, text.length());
    return new Encoded(Arrays.copyOf(ids, size), Arrays.copyOf(ends, size));
  }

  private static int endWithoutSpaces(String text, int from, int to) {
    int end = to;
    while (end > from && Character.isWhitespace(text.charAt(end - 1))) {
      end--;
    }
    return end;
  }

  private void plain(String text, int from, int to) {
    if (from >= to) {
      return;
    }
    String piece = text.substring(from, to);
    Encoded encoded = tokenizer.plain().encode(piece, from == 0);
    if (Arrays.stream(encoded.ids()).anyMatch(tokenizer::isSpecial)) {
      apart(text, from, tokenizer.specialTokensIn(piece), to);
      return;
    }
    for (int i = 0; i < encoded.ids().length; i++) {
      add(encoded.ids()[i], from + encoded.ends()[i]);
    }
  }

  /** Some vocabularies hold special tokens as words as well: then they are cut in two. */
  private void apart(String text, int from, List<Match> spelled, int to) {
    if (spelled.isEmpty() || to - from < 2) {
      throw new UserError(
          "tokenizer: the text '%s' of a message becomes a special token, because the vocabulary has it as a word too. Take a tokenizer.json whose special tokens are added_tokens alone, or remove that text."
              .formatted(text.substring(from, to)));
    }
    Span first = spelled.get(0).span();
    int cut = from + first.from() + 1;
    plain(text, from, cut);
    plain(text, cut, to);
  }

  private void add(int id, int end) {
    if (size == ids.length) {
      ids = Arrays.copyOf(ids, 2 * size);
      ends = Arrays.copyOf(ends, 2 * size);
    }
    ids[size] = id;
    ends[size] = end;
    size++;
  }
}
