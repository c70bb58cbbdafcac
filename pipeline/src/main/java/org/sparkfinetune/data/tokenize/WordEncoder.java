package org.sparkfinetune.data.tokenize;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.sparkfinetune.data.tokenize.NativeTokenizer.Encoded;
import org.sparkfinetune.data.tokenize.SpecialTokenFinder.Match;

/**
 * A text's ids out of those of its words. Llama 3's pre-tokenizer cuts a text into words, and BPE
 * gives each of them its ids whatever stands beside it. A data set has few different words, so the
 * native library, which takes over a microsecond for each token, sees each of them once.
 *
 * <p>For ASCII alone: there Java's regular expressions and the library's agree on what a letter is,
 * whatever versions of Unicode they follow. Safe for use by several threads.
 */
final class WordEncoder {
  /** Of Llama 3; every character is in some word of it. */
  private static final String WORDS =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  /** With all of them kept, some 20 MB. */
  private static final int KEPT_WORDS = 1 << 16;

  private static final int KEPT_LENGTH = 32;

  private final NativeTokenizer tokenizer;
  private final Pattern pattern = Pattern.compile(WORDS);
  private final Map<String, Encoded> kept = new ConcurrentHashMap<>();

  private WordEncoder(NativeTokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** Empty for a tokenizer whose words are others, or whose ids depend on more than the word. */
  static Optional<WordEncoder> of(TokenizerJson json, NativeTokenizer tokenizer) {
    return cutsWords(json.preTokenizer())
            && json.normalizer().isNull()
            && json.modelType().equals("BPE")
            && !json.hasDropout()
            && addsOnlySpecialTokens(json.addedTokens(), tokenizer)
        ? Optional.of(new WordEncoder(tokenizer))
        : Optional.empty();
  }

  private static boolean cutsWords(JsonNode preTokenizer) {
    JsonNode steps = preTokenizer.path("pretokenizers");
    JsonNode split = steps.path(0);
    JsonNode bytes = steps.path(1);
    return preTokenizer.path("type").asText().equals("Sequence")
        && steps.size() == 2
        && split.path("type").asText().equals("Split")
        && split.path("pattern").path("Regex").asText().equals(WORDS)
        && split.path("behavior").asText().equals("Isolated")
        && !split.path("invert").asBoolean(true)
        && bytes.path("type").asText().equals("ByteLevel")
        && !bytes.path("add_prefix_space").asBoolean(true)
        && !bytes.path("use_regex").asBoolean(true);
  }

  /** And knows them by the ids that the file gives them, which the library need not do. */
  private static boolean addsOnlySpecialTokens(JsonNode addedTokens, NativeTokenizer tokenizer) {
    for (JsonNode token : addedTokens) {
      if (!token.path("special").asBoolean()
          || token.path("single_word").asBoolean(true)
          || token.path("lstrip").asBoolean(true)
          || token.path("rstrip").asBoolean(true)
          || !Arrays.equals(
              tokenizer.ids(token.path("content").asText()),
              new int[] {token.path("id").asInt()})) {
        return false;
      }
    }
    return true;
  }

  /**
   * Empty if the text is not ASCII.
   *
   * @param special all special tokens in the text, in its order
   */
  Optional<Encoded> encode(String text, List<Match> special) {
    return isAscii(text) ? Optional.of(new Words(text).encode(special)) : Optional.empty();
  }

  private static boolean isAscii(String text) {
    for (int i = 0; i < text.length(); i++) {
      if (text.charAt(i) >= 0x80) {
        return false;
      }
    }
    return true;
  }

  private Encoded word(String word) {
    Encoded known = kept.get(word);
    if (known != null) {
      return known;
    }
    Encoded encoded = tokenizer.encode(word);
    if (word.length() <= KEPT_LENGTH && kept.size() < KEPT_WORDS) {
      kept.put(word, encoded);
    }
    return encoded;
  }

  private final class Words {
    private final String text;
    private final Matcher matcher;

    /** A token has at least one character. */
    private final int[] ids;

    private final int[] ends;
    private int size = 0;

    Words(String text) {
      this.text = text;
      this.matcher = pattern.matcher(text);
      this.ids = new int[text.length()];
      this.ends = new int[text.length()];
    }

    Encoded encode(List<Match> special) {
      int from = 0;
      for (Match match : special) {
        words(from, match.span().from());
        from = match.span().to();
        add(match.token().id(), from);
      }
      words(from, text.length());
      return new Encoded(Arrays.copyOf(ids, size), Arrays.copyOf(ends, size));
    }

    /** What lies between two special tokens is a text of its own: no word looks beyond it. */
    private void words(int from, int to) {
      matcher.region(from, to);
      while (matcher.find()) {
        int start = matcher.start();
        Encoded word = word(text.substring(start, matcher.end()));
        for (int i = 0; i < word.ids().length; i++) {
          add(word.ids()[i], start + word.ends()[i]);
        }
      }
    }

    private void add(int id, int end) {
      ids[size] = id;
      ends[size] = end;
      size++;
    }
  }
}
