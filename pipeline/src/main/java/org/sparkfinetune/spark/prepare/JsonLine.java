package org.sparkfinetune.spark.prepare;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;
import org.sparkfinetune.data.conversation.Conversation.Role;

/**
 * Writes {@code {"messages":[{"role":…,"content":…},…]}} and a line end, byte for byte as the
 * reference's {@code to_json} does, which is pandas' ujson: {@code /} as {@code \/}, short escapes
 * for \b \t \n \f \r, {@code \}{@code u00xx} in lower case for the other control characters, DEL as
 * it is. Not thread-safe: it reuses its buffer.
 */
final class JsonLine {
  private static final byte[] HEX = "0123456789abcdef".getBytes(US_ASCII);
  private static final byte[] BEGIN = "{\"messages\":[".getBytes(US_ASCII);
  private static final byte[] END = "]}\n".getBytes(US_ASCII);
  private static final byte[][] OPEN = new byte[Role.values().length][];

  /** For each byte: 0 as it is, 'u' as \\u00xx, else the character behind the backslash. */
  private static final byte[] ESCAPES = new byte[128];

  static {
    for (Role role : Role.values()) {
      OPEN[Sample.code(role)] =
          "{\"role\":\"%s\",\"content\":\"".formatted(role.text()).getBytes(US_ASCII);
    }
    Arrays.fill(ESCAPES, 0, 0x20, (byte) 'u');
    ESCAPES['\b'] = 'b';
    ESCAPES['\t'] = 't';
    ESCAPES['\n'] = 'n';
    ESCAPES['\f'] = 'f';
    ESCAPES['\r'] = 'r';
    ESCAPES['"'] = '"';
    ESCAPES['\\'] = '\\';
    ESCAPES['/'] = '/';
  }

  private final Escaping escaping;
  private byte[] line = new byte[8192];
  private int length;

  JsonLine(Escaping escaping) {
    this.escaping = escaping;
  }

  /** Returns the bytes written. */
  int write(Sample sample, OutputStream out) throws IOException {
    length = 0;
    append(BEGIN);
    sample.forEach(
        (role, bytes, start, count) -> {
          if (length > BEGIN.length) {
            append((byte) ',');
          }
          append(OPEN[Sample.code(role)]);
          appendText(bytes, start, start + count);
          append((byte) '"');
          append((byte) '}');
        });
    append(END);
    out.write(line, 0, length);
    return length;
  }

  private void appendText(byte[] bytes, int start, int end) {
    ensure(6 * (end - start));
    byte[] out = line;
    int to = length;
    int at = start;
    while (at < end) {
      byte b = bytes[at];
      byte escape = b >= 0 ? ESCAPES[b] : 0;
      if (b < 0 && escaping == Escaping.ASCII_ONLY) {
        int size = sizeOf(b);
        to = appendCodePoint(out, to, codePoint(bytes, at, size));
        at += size;
      } else if (escape == 0) {
        out[to++] = b;
        at++;
      } else if (escape == 'u') {
        to = appendUnit(out, to, b);
        at++;
      } else {
        out[to++] = '\\';
        out[to++] = escape;
        at++;
      }
    }
    length = to;
  }

  /** Bytes of the character that begins with {@code first}. */
  private static int sizeOf(byte first) {
    int lead = first & 0xff;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  }

  private static int codePoint(byte[] bytes, int at, int size) {
    int codePoint = bytes[at] & (0x7f >> size);
    for (int i = 1; i < size; i++) {
      codePoint = (codePoint << 6) | (bytes[at + i] & 0x3f);
    }
    return codePoint;
  }

  private static int appendCodePoint(byte[] out, int to, int codePoint) {
    if (codePoint < 0x10000) {
      return appendUnit(out, to, codePoint);
    }
    int next = appendUnit(out, to, Character.highSurrogate(codePoint));
    return appendUnit(out, next, Character.lowSurrogate(codePoint));
  }

  private static int appendUnit(byte[] out, int to, int unit) {
    out[to] = '\\';
    out[to + 1] = 'u';
    out[to + 2] = HEX[unit >> 12];
    out[to + 3] = HEX[unit >> 8 & 0xf];
    out[to + 4] = HEX[unit >> 4 & 0xf];
    out[to + 5] = HEX[unit & 0xf];
    return to + 6;
  }

  private void append(byte b) {
    ensure(1);
    line[length++] = b;
  }

  private void append(byte[] bytes) {
    ensure(bytes.length);
    System.arraycopy(bytes, 0, line, length, bytes.length);
    length += bytes.length;
  }

  private void ensure(int more) {
    if (line.length - length < more) {
      line = Arrays.copyOf(line, Math.max(length + more, line.length * 2));
    }
  }
}
