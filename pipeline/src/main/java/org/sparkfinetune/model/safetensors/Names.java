package org.sparkfinetune.model.safetensors;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;

/** Names out of files, made fit for sorting and for one line of a message. */
final class Names {
  private static final int SHOWN = 120;

  /** The order of Rust's strings, which is that of their UTF-8 bytes and not of Java's chars. */
  static final Comparator<String> BY_UTF8 =
      (left, right) ->
          Arrays.compareUnsigned(
              left.getBytes(StandardCharsets.UTF_8), right.getBytes(StandardCharsets.UTF_8));

  private Names() {}

  /** In quotes, control characters replaced, long ones cut: a hostile name cannot forge a line. */
  static String quoted(String name) {
    StringBuilder shown = new StringBuilder("'");
    name.codePoints()
        .limit(SHOWN)
        .map(point -> Character.isISOControl(point) ? '?' : point)
        .forEach(shown::appendCodePoint);
    return shown.append(name.codePointCount(0, name.length()) > SHOWN ? "…'" : "'").toString();
  }
}
