package org.sparkfinetune.sample;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.IntStream;

/**
 * GPT-2's way of writing any byte as a printable character, which byte-level tokenizers use in
 * their files: printable Latin-1 stands for itself, the other bytes for the characters from 256 on.
 */
final class ByteLevel {
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
