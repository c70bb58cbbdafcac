package org.sparkfinetune.inference.generate;

import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.sparkfinetune.data.tokenize.LlamaTokenizer;
import org.sparkfinetune.inference.generate.Generator.TokenListener;

/**
 * The text of an answer while its tokens come. What could still change is held back: half a
 * character (bytes of one come as several tokens), and what may be the beginning of a stop string.
 */
final class AnswerText {
  private static final char REPLACEMENT = '\ufffd';

  private final LlamaTokenizer tokenizer;
  private final List<String> stop;
  private final String lead;
  private final Consumer<String> sink;
  private int[] ids = new int[32];
  private int count;
  private int shown;
  private String text = "";

  AnswerText(LlamaTokenizer tokenizer, List<String> stop, Consumer<String> sink) {
    this(tokenizer, stop, "", sink);
  }

  /**
   * @param lead left out where the answer begins with it
   */
  AnswerText(LlamaTokenizer tokenizer, List<String> stop, String lead, Consumer<String> sink) {
    this.tokenizer = tokenizer;
    this.stop = stop;
    this.lead = lead;
    this.sink = sink;
  }

  TokenListener.Then add(int token) {
    if (count == ids.length) {
      ids = Arrays.copyOf(ids, 2 * count);
    }
    ids[count++] = token;
    String decoded = tokenizer.decode(Arrays.copyOf(ids, count));
    text = decoded.startsWith(lead) ? decoded.substring(lead.length()) : decoded;
    int end = text.length();
    for (String one : stop) {
      int at = text.indexOf(one);
      end = at >= 0 ? Math.min(end, at) : end;
    }
    if (end < text.length()) {
      text = text.substring(0, end);
      show(end);
      return TokenListener.Then.STOP;
    }
    show(certain());
    return TokenListener.Then.CONTINUE;
  }

  private int certain() {
    int end = text.length();
    while (end > 0 && text.charAt(end - 1) == REPLACEMENT) {
      end--;
    }
    for (String one : stop) {
      for (int n = Math.min(one.length() - 1, end); n > 0; n--) {
        if (text.startsWith(one.substring(0, n), end - n)) {
          end -= n;
          break;
        }
      }
    }
    return end;
  }

  private void show(int end) {
    if (end > shown) {
      sink.accept(text.substring(shown, end));
      shown = end;
    }
  }

  /** The whole text; shows what was held back. */
  String finish() {
    show(text.length());
    return text;
  }
}
