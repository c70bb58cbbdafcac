package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import org.sparkfinetune.spark.prepare.TextInput.UnreadableFile;

/** One JSON object after the other, each over as many lines as it likes, as {@code jq .} writes. */
final class JsonObjects implements JsonRows.Slices {
  private final ReadBuffer buffer;
  private long number;
  private int length;

  JsonObjects(ReadBuffer buffer) {
    this.buffer = buffer;
  }

  @Override
  public boolean next() throws IOException {
    buffer.advance(buffer.from() + length);
    length = 0;
    if (!buffer.skipSpace()) {
      return false;
    }
    byte first = buffer.bytes()[buffer.from()];
    if (first != '{') {
      throw new UnreadableFile(
          "the file holds several JSON objects over many lines, but after row %s there is '%s' where the next one should begin. Write one object a line: jq -c . FILE"
              .formatted(number, Utf8.excerpt(buffer.bytes(), buffer.from(), buffer.from() + 1)));
    }
    number++;
    length = lengthOfObject();
    return true;
  }

  private int lengthOfObject() throws IOException {
    JsonNesting nesting = new JsonNesting();
    int at = 0;
    do {
      if (buffer.from() + at == buffer.to() && (at > ReadBuffer.LONGEST_ROW || !buffer.more())) {
        throw new UnreadableFile(
            "the file holds several JSON objects over many lines, and row %s has no end: the file is cut short, or a bracket or quote is missing"
                .formatted(number));
      }
      nesting.take(buffer.bytes()[buffer.from() + at]);
      at++;
    } while (!nesting.isOutside());
    return at;
  }

  @Override
  public long number() {
    return number;
  }

  @Override
  public byte[] bytes() {
    return buffer.bytes();
  }

  @Override
  public int start() {
    return buffer.from();
  }

  @Override
  public int end() {
    return buffer.from() + length;
  }

  @Override
  public void close() throws IOException {
    buffer.close();
  }
}
