package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.util.Arrays;
import org.sparkfinetune.spark.prepare.TextInput.UnreadableFile;

/**
 * The elements of a file that is one JSON array. They are cut out by brackets and quotes alone and
 * parsed one by one, so that a bad element costs itself and not the rest of the file; only brackets
 * that don't match make the file unreadable.
 */
final class JsonArray implements JsonRows.Slices {
  private final ReadBuffer buffer;
  private boolean opened;
  private boolean closed;
  private long number;
  private int start;
  private int end;
  private byte[] last = new byte[0];

  JsonArray(ReadBuffer buffer) {
    this.buffer = buffer;
  }

  @Override
  public boolean next() throws IOException {
    if (closed) {
      return false;
    }
    if (!opened) {
      opened = true;
      nextByte();
      buffer.advance(buffer.from() + 1);
    }
    if (nextByte() == ']') {
      if (number > 0) {
        throw new UnreadableFile("after row %s: a comma with no row behind it".formatted(number));
      }
      return finish();
    }
    number++;
    readElement();
    return true;
  }

  private boolean finish() throws IOException {
    closed = true;
    buffer.advance(buffer.from() + 1);
    if (buffer.skipSpace()) {
      throw new UnreadableFile(
          "after row %s: the array is closed, but more text follows".formatted(number));
    }
    return false;
  }

  /** Sets the slice to the element that begins at the buffer and moves behind its comma. */
  private void readElement() throws IOException {
    JsonNesting nesting = new JsonNesting();
    int at = buffer.from();
    while (true) {
      if (at == buffer.to()) {
        at -= buffer.from();
        if (at > ReadBuffer.LONGEST_ROW || !buffer.more()) {
          throw new UnreadableFile(
              "row %s has no end: the file is cut short, or a bracket or quote is missing"
                  .formatted(number));
        }
        continue;
      }
      byte b = buffer.bytes()[at];
      if (nesting.isOutside() && (b == ',' || b == ']')) {
        slice(at, b);
        return;
      }
      nesting.take(b);
      at++;
    }
  }

  private void slice(int at, byte delimiter) throws IOException {
    start = buffer.from();
    end = at;
    while (end > start && JsonNesting.isSpace(buffer.bytes()[end - 1])) {
      end--;
    }
    buffer.advance(delimiter == ',' ? at + 1 : at);
    if (delimiter == ']') {
      closeBehindSlice();
    }
  }

  /** The slice must stay valid, so what follows the array is read with the slice kept aside. */
  private void closeBehindSlice() throws IOException {
    last = Arrays.copyOfRange(buffer.bytes(), start, end);
    finish();
  }

  private byte nextByte() throws IOException {
    if (!buffer.skipSpace()) {
      throw new UnreadableFile(
          "after row %s: the array is not closed; the file is cut short".formatted(number));
    }
    return buffer.bytes()[buffer.from()];
  }

  @Override
  public long number() {
    return number;
  }

  @Override
  public byte[] bytes() {
    return closed ? last : buffer.bytes();
  }

  @Override
  public int start() {
    return closed ? 0 : start;
  }

  @Override
  public int end() {
    return closed ? last.length : end;
  }

  @Override
  public void close() throws IOException {
    buffer.close();
  }
}
