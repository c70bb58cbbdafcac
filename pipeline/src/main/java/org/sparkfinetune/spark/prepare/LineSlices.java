package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.util.Arrays;

/**
 * Lines that begin before {@code end}, without their line ends. A stream that does not begin at
 * byte 0 must begin one byte before its split, so that a line starting exactly there is known to be
 * a whole one.
 */
final class LineSlices implements Slices {
  private final Window window;
  private final long end;
  private final int longest;
  private boolean skipFirst;
  private long number;
  private int start;
  private int stop;
  private boolean cut;
  private byte[] cutHead = new byte[0];

  LineSlices(Window window, long end, Beginning beginning) {
    this(window, end, beginning, Window.LONGEST_ROW);
  }

  LineSlices(Window window, long end, Beginning beginning, int longest) {
    this.window = window;
    this.end = end;
    this.longest = longest;
    this.skipFirst = beginning == Beginning.INSIDE_A_LINE;
  }

  enum Beginning {
    OF_A_LINE,
    INSIDE_A_LINE
  }

  @Override
  public boolean next() throws IOException {
    if (skipFirst) {
      skipFirst = false;
      readLine();
    }
    if (window.position(window.from()) >= end || !readLine()) {
      return false;
    }
    number++;
    return true;
  }

  /** Sets the slice to the next line and moves the window behind it. */
  private boolean readLine() throws IOException {
    cut = false;
    int at = window.from();
    while (true) {
      byte[] bytes = window.bytes();
      int to = window.to();
      while (at < to && bytes[at] != '\n') {
        at++;
      }
      if (at < to) {
        return slice(at, at + 1);
      }
      if (at - window.from() > longest) {
        return cutLine();
      }
      int seen = at - window.from();
      if (!window.more()) {
        at = window.from() + seen;
        return seen > 0 && slice(at, at);
      }
      at = window.from() + seen;
    }
  }

  private boolean slice(int lineEnd, int next) {
    start = window.from();
    stop = lineEnd > start && window.bytes()[lineEnd - 1] == '\r' ? lineEnd - 1 : lineEnd;
    window.advance(next);
    return true;
  }

  /** Keeps a copy of the beginning and drops the rest of the line as it comes. */
  private boolean cutLine() throws IOException {
    byte[] head = Arrays.copyOfRange(window.bytes(), window.from(), window.from() + 400);
    while (true) {
      byte[] bytes = window.bytes();
      int at = window.from();
      while (at < window.to() && bytes[at] != '\n') {
        at++;
      }
      boolean found = at < window.to();
      window.advance(found ? at + 1 : at);
      if (found || !window.more()) {
        break;
      }
    }
    cutHead = head;
    cut = true;
    return true;
  }

  @Override
  public long number() {
    return number;
  }

  @Override
  public byte[] bytes() {
    return cut ? cutHead : window.bytes();
  }

  @Override
  public int start() {
    return cut ? 0 : start;
  }

  @Override
  public int end() {
    return cut ? cutHead.length : stop;
  }

  @Override
  public boolean cut() {
    return cut;
  }

  @Override
  public void close() throws IOException {
    window.close();
  }
}
