package org.sparkfinetune.spark.prepare;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.zip.ZipException;

/**
 * A stream seen through a growing buffer: {@code bytes[from, to)} is what has been read and is not
 * done with. Rows are slices of it, so that a row is never copied before it is parsed.
 */
final class Window implements AutoCloseable {
  /** Longer rows are rejected: a file without line ends would otherwise fill the memory. */
  static final int LONGEST_ROW = 64 << 20;

  private static final int CHUNK = 256 << 10;

  private final InputStream in;
  private final long start;
  private byte[] bytes = new byte[CHUNK];
  private int from;
  private int to;
  private long dropped;

  /**
   * @param start the place in the file of the stream's first byte
   */
  Window(InputStream in, long start) {
    this.in = in;
    this.start = start;
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

  /** The place in the file of {@code bytes[index]}. */
  long position(int index) {
    return start + dropped + index;
  }

  /** Done with everything before {@code index}. */
  void advance(int index) {
    from = index;
  }

  /**
   * Reads on; {@code from} moves to 0.
   *
   * @return false at the end of the stream
   */
  boolean more() throws IOException {
    if (from > 0) {
      System.arraycopy(bytes, from, bytes, 0, to - from);
      dropped += from;
      to -= from;
      from = 0;
    }
    if (to == bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.multiplyExact(bytes.length, 2));
    }
    try {
      int read = in.read(bytes, to, bytes.length - to);
      to += Math.max(read, 0);
      return read > 0;
    } catch (EOFException | ZipException e) {
      throw new UnreadableFile("the compressed data is broken: " + e.getMessage(), e);
    } catch (IOException e) {
      // zstd-jni's own type, named by string because the class is absent where nothing is zstd.
      if (e.getClass().getSimpleName().startsWith("Zstd")) {
        throw new UnreadableFile("the compressed data is broken: " + e.getMessage(), e);
      }
      throw e;
    }
  }

  @Override
  public void close() throws IOException {
    in.close();
  }
}
