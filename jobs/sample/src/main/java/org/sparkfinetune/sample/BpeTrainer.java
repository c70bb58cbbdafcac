package org.sparkfinetune.sample;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * Byte-pair encoding (Sennrich et al. 2016, algorithm 1): starts from bytes and merges the pair of
 * neighbours that occurs most often, again and again. Equally frequent pairs are taken in the order
 * of their ids, as Hugging Face's trainer does.
 */
final class BpeTrainer {
  /** Llama 3's rule for pieces that merges never cross. */
  static final String SPLIT =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  private static final Pattern PIECES = Pattern.compile(SPLIT, Pattern.UNICODE_CHARACTER_CLASS);
  private static final Comparator<Map.Entry<Pair, Long>> BEST =
      Map.Entry.<Pair, Long>comparingByValue()
          .thenComparing(Map.Entry.comparingByKey(Comparator.reverseOrder()));

  /**
   * @param tokens by id
   * @param merges pairs of ids, the first one first
   */
  record Vocabulary(List<String> tokens, List<Pair> merges) {}

  record Pair(int left, int right) implements Comparable<Pair> {
    @Override
    public int compareTo(Pair other) {
      return left != other.left
          ? Integer.compare(left, other.left)
          : Integer.compare(right, other.right);
    }
  }

  /** A piece of text that occurs {@code count} times. */
  private static final class Word {
    private final long count;
    private int[] symbols;

    private Word(int[] symbols, long count) {
      this.symbols = symbols;
      this.count = count;
    }
  }

  private final List<String> tokens = new ArrayList<>(ByteLevel.alphabet());
  private final List<Pair> merges = new ArrayList<>();
  private final Map<Pair, Long> counts = new HashMap<>();
  private final Map<Pair, Set<Word>> places = new HashMap<>();

  private BpeTrainer() {}

  /** At most {@code size} tokens; fewer if nothing is left that occurs twice. */
  static Vocabulary train(Iterable<String> texts, int size) {
    BpeTrainer trainer = new BpeTrainer();
    trainer.read(texts);
    while (trainer.tokens.size() < size) {
      Optional<Pair> best = trainer.mostFrequent();
      if (best.isEmpty()) {
        break;
      }
      trainer.merge(best.get());
    }
    return new Vocabulary(List.copyOf(trainer.tokens), List.copyOf(trainer.merges));
  }

  private void read(Iterable<String> texts) {
    Map<String, Long> pieces = new LinkedHashMap<>();
    for (String text : texts) {
      Matcher piece = PIECES.matcher(text);
      while (piece.find()) {
        pieces.merge(ByteLevel.encode(piece.group()), 1L, Long::sum);
      }
    }
    Map<String, Integer> ids = new HashMap<>();
    tokens.forEach(token -> ids.put(token, ids.size()));
    pieces.forEach(
        (piece, count) -> {
          int[] symbols = piece.chars().map(c -> ids.get(Character.toString(c))).toArray();
          count(new Word(symbols, count), 1);
        });
  }

  private Optional<Pair> mostFrequent() {
    return counts.entrySet().stream()
        .filter(entry -> entry.getValue() > 1)
        .max(BEST)
        .map(Map.Entry::getKey);
  }

  private void merge(Pair pair) {
    int id = tokens.size();
    tokens.add(tokens.get(pair.left()) + tokens.get(pair.right()));
    merges.add(pair);
    for (Word word : List.copyOf(places.get(pair))) {
      count(word, -1);
      word.symbols = merged(word.symbols, pair, id);
      count(word, 1);
    }
    counts.remove(pair);
    places.remove(pair);
  }

  private static int[] merged(int[] symbols, Pair pair, int id) {
    int[] merged = new int[symbols.length];
    int size = 0;
    for (int at = 0; at < symbols.length; at++) {
      boolean both =
          at + 1 < symbols.length && symbols[at] == pair.left() && symbols[at + 1] == pair.right();
      merged[size++] = both ? id : symbols[at];
      at += both ? 1 : 0;
    }
    return Arrays.copyOf(merged, size);
  }

  private void count(Word word, int sign) {
    for (int at = 0; at + 1 < word.symbols.length; at++) {
      Pair pair = new Pair(word.symbols[at], word.symbols[at + 1]);
      counts.merge(pair, sign * word.count, Long::sum);
      if (sign > 0) {
        places.computeIfAbsent(pair, unseen -> new LinkedHashSet<>()).add(word);
      }
    }
  }

  /**
   * GPT-2's way of writing any byte as a printable character, which byte-level tokenizers use in
   * their files: printable Latin-1 stands for itself, the other bytes for the characters from 256
   * on.
   */
  static final class ByteLevel {
    private static final char[] CHARACTERS = characters();

    private ByteLevel() {}

    /** One character for each byte of {@code text} in UTF-8. */
    static String encode(String text) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      StringBuilder encoded = new StringBuilder(bytes.length);
      for (byte b : bytes) {
        encoded.append(CHARACTERS[b & 0xff]);
      }
      return encoded.toString();
    }

    /** All 256 characters in their own order. */
    static List<String> alphabet() {
      return IntStream.range(0, 256)
          .mapToObj(b -> CHARACTERS[b])
          .sorted()
          .map(String::valueOf)
          .toList();
    }

    private static char[] characters() {
      char[] characters = new char[256];
      int next = 256;
      for (int b = 0; b < 256; b++) {
        boolean printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad);
        characters[b] = (char) (printable ? b : next++);
      }
      return characters;
    }
  }
}
