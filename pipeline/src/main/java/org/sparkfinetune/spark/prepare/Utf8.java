package org.sparkfinetune.spark.prepare;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.OptionalInt;
import org.sparkfinetune.data.conversation.RejectedRow;
import org.sparkfinetune.data.conversation.RejectedRow.RejectionReason;

/** Strict UTF-8, and excerpts of texts. Not thread-safe: it reuses its decoder. */
final class Utf8 {
  /** Characters of an excerpt. */
  static final int EXCERPT = 200;

  private final CharBuffer scratch = CharBuffer.allocate(4096);
  private final CharsetDecoder decoder =
      StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPORT)
          .onUnmappableCharacter(CodingErrorAction.REPORT);

  /**
   * Where {@code bytes[start, end)} stops being UTF-8, counted from {@code start}; empty if it is
   * UTF-8 throughout. A zero byte counts as wrong: it is no character of a text.
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

  /**
   * @throws RejectedRow if the row {@code bytes[start, end)} is not UTF-8 throughout
   */
  void check(byte[] bytes, int start, int end) throws RejectedRow {
    OptionalInt wrong = firstWrong(bytes, start, end);
    if (wrong.isPresent()) {
      int value = bytes[start + wrong.getAsInt()] & 0xff;
      throw new RejectedRow(
          RejectionReason.NOT_UTF8,
          String.format(Locale.ROOT, "byte %d of the row is 0x%02x", wrong.getAsInt() + 1, value));
    }
  }

  /** The beginning of a text for a message, with replacement characters for what is not UTF-8. */
  static String excerpt(byte[] bytes, int start, int end) {
    int length = Math.min(end - start, 4 * EXCERPT);
    return excerpt(new String(bytes, start, length, StandardCharsets.UTF_8));
  }

  /** The beginning of a text, never ending in half a character. */
  static String excerpt(String text) {
    if (text.length() <= EXCERPT) {
      return text;
    }
    int end = Character.isHighSurrogate(text.charAt(EXCERPT - 1)) ? EXCERPT - 1 : EXCERPT;
    return text.substring(0, end) + "…";
  }
}
