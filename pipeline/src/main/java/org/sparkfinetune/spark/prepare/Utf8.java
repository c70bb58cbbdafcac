package org.sparkfinetune.spark.prepare;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.OptionalInt;

/** Strict UTF-8. Not thread-safe: it reuses its decoder. */
final class Utf8 {
  private final CharBuffer scratch = CharBuffer.allocate(4096);
  private final CharsetDecoder decoder =
      StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPORT)
          .onUnmappableCharacter(CodingErrorAction.REPORT);

  /**
   * Where {@code bytes[start, end)} stops being UTF-8, counted from {@code start}; empty if it is
   * UTF-8 throughout. A zero byte counts as wrong: it is how UTF-16 looks from here.
   */
  OptionalInt firstWrong(byte[] bytes, int start, int end) {
    int at = start;
    while (at < end && bytes[at] > 0) {
      at++;
    }
    if (at == end) {
      return OptionalInt.empty();
    }
    for (int i = at; i < end; i++) {
      if (bytes[i] == 0) {
        return OptionalInt.of(i - start);
      }
    }
    return decode(ByteBuffer.wrap(bytes, at, end - at), start);
  }

  private OptionalInt decode(ByteBuffer input, int start) {
    decoder.reset();
    while (true) {
      scratch.clear();
      CoderResult result = decoder.decode(input, scratch, true);
      if (result.isError()) {
        return OptionalInt.of(input.position() - start);
      }
      if (result.isUnderflow()) {
        return OptionalInt.empty();
      }
    }
  }

  /** Text for a message, with replacement characters where it is not UTF-8. */
  static String shortened(byte[] bytes, int start, int end) {
    int length = Math.min(end - start, 4 * Excerpt.LENGTH);
    return Excerpt.of(new String(bytes, start, length, StandardCharsets.UTF_8));
  }
}
