package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;

/**
 * A stream seen through a growing buffer: {@code bytes[from, to)} has been read and is still
 * needed. Rows are slices of it, so that no row is copied before it is parsed.
 */
final class ReadBuffer implements AutoCloseable {
  /** Longer rows are rejected: a file without line ends would otherwise fill the memory. */
  static final int LONGEST_ROW = 64 << 20;

  private static final int CHUNK = 256 << 10;

  private final InputStream in;
  private byte[] bytes = new byte[CHUNK];
  private int from;
  private int to;

  ReadBuffer(InputStream in) {
    this.in = in;
  }

  byte[] bytes() {
    return bytes;
  }

  int from() {
    return from;
  }

  int to() {
    return to;
  }

  /** Gives up everything before {@code index}. */
  void advance(int index) {
    from = index;
  }

  /** Reads on, and moves {@code from} to 0. Returns false at the end of the stream. */
  boolean more() throws IOException {
    if (from > 0) {
      System.arraycopy(bytes, from, bytes, 0, to - from);
      to -= from;
      from = 0;
    }
    if (to == bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.multiplyExact(bytes.length, 2));
    }
    int read = in.read(bytes, to, bytes.length - to);
    to += Math.max(read, 0);
    return read > 0;
  }

  /** Gives up JSON's white space. Returns false if nothing else follows. */
  boolean skipSpace() throws IOException {
    do {
      while (from < to) {
        if (!JsonNesting.isSpace(bytes[from])) {
          return true;
        }
        from++;
      }
    } while (more());
    return false;
  }

  @Override
  public void close() throws IOException {
    in.close();
  }
}
