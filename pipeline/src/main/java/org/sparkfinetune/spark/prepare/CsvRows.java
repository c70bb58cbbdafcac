package org.sparkfinetune.spark.prepare;

import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.CSV_COLUMNS;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.CSV_QUOTES;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.TOO_LONG;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.sparkfinetune.config.CsvFormat;
import org.sparkfinetune.data.conversation.RejectedRow;
import org.sparkfinetune.spark.prepare.TextInput.UnreadableFile;

/**
 * CSV as RFC 4180 has it, with a header: delimiters, quotes doubled (or escaped) inside quotes, any
 * line end. All values are texts; an empty field is an empty text.
 */
final class CsvRows implements TextInput.Rows {
  private final ReadBuffer buffer;
  private final byte delimiter;
  private final byte quote;
  private final byte escape;
  private final Utf8 utf8 = new Utf8();
  private final List<String> header = new ArrayList<>();
  private boolean opened;
  private long number;
  private long blankLines;
  private int recordEnd;

  CsvRows(ReadBuffer buffer, CsvFormat format) {
    this.buffer = buffer;
    this.delimiter = (byte) format.delimiter().charAt(0);
    this.quote = (byte) format.quote().charAt(0);
    this.escape = (byte) format.escape().charAt(0);
  }

  @Override
  public boolean next() throws IOException {
    if (!opened) {
      opened = true;
      if (!nextRecord()) {
        return false;
      }
      readHeader();
    }
    if (!nextRecord()) {
      return false;
    }
    number++;
    return true;
  }

  private void readHeader() throws IOException {
    try {
      header.addAll(fields());
    } catch (RejectedRow e) {
      throw new UnreadableFile("the header: " + e.detail(), e);
    }
    Set<String> seen = new HashSet<>();
    for (String name : header) {
      if (!seen.add(name)) {
        throw new UnreadableFile("the header names the column '%s' twice".formatted(name));
      }
    }
  }

  /**
   * Finds the end of the record at the buffer: a line end outside quotes. A quote opens only where
   * a field begins, so that a stray one spoils its own row and not those behind it.
   */
  private boolean nextRecord() throws IOException {
    buffer.advance(recordEnd == 0 ? buffer.from() : recordEnd);
    Quotes quotes = Quotes.BEFORE_FIELD;
    int at = buffer.from();
    while (true) {
      if (at == buffer.to()) {
        at -= buffer.from();
        if (at > ReadBuffer.LONGEST_ROW) {
          throw new UnreadableFile(
              "row %s has no end within %s bytes: a quote is opened and never closed"
                  .formatted(number + 1, ReadBuffer.LONGEST_ROW));
        }
        if (!buffer.more()) {
          recordEnd = at;
          return endOfFile(quotes, at);
        }
        continue;
      }
      byte b = buffer.bytes()[at];
      quotes = after(quotes, b);
      if (b == '\n' && !quotes.areOpen) {
        if (!isBlank(buffer.from(), at)) {
          recordEnd = at + 1;
          return true;
        }
        blankLines++;
        buffer.advance(at + 1);
      }
      at++;
    }
  }

  /** Where in a field the bytes read so far end. */
  private enum Quotes {
    BEFORE_FIELD(false),
    UNQUOTED(false),
    INSIDE(true),
    /** Behind an escape that is no quote. */
    ESCAPED(true),
    CLOSED(false);

    private final boolean areOpen;

    Quotes(boolean areOpen) {
      this.areOpen = areOpen;
    }
  }

  private Quotes after(Quotes quotes, byte b) {
    return switch (quotes) {
      case INSIDE -> b == quote ? Quotes.CLOSED : b == escape ? Quotes.ESCAPED : Quotes.INSIDE;
      case ESCAPED -> Quotes.INSIDE;
      case BEFORE_FIELD, CLOSED -> b == quote ? Quotes.INSIDE : unquoted(b);
      case UNQUOTED -> unquoted(b);
    };
  }

  private Quotes unquoted(byte b) {
    return b == delimiter || b == '\n' ? Quotes.BEFORE_FIELD : Quotes.UNQUOTED;
  }

  private boolean endOfFile(Quotes quotes, int end) throws IOException {
    if (quotes.areOpen) {
      throw new UnreadableFile(
          "row %s begins a quote that is never closed: the file is cut short, or a quote inside"
                  .formatted(number + 1)
              + " quotes is not doubled");
    }
    return !isBlank(buffer.from(), end);
  }

  private boolean isBlank(int from, int to) {
    return to == from || (to == from + 1 && buffer.bytes()[from] == '\r');
  }

  private int textEnd() {
    int end = recordEnd;
    if (end > buffer.from() && buffer.bytes()[end - 1] == '\n') {
      end--;
    }
    return end > buffer.from() && buffer.bytes()[end - 1] == '\r' ? end - 1 : end;
  }

  @Override
  public long number() {
    return number;
  }

  @Override
  public ObjectNode tree() throws RejectedRow {
    List<String> fields = fields();
    if (fields.size() != header.size()) {
      throw new RejectedRow(
          CSV_COLUMNS,
          "%s fields, but the header names %s columns".formatted(fields.size(), header.size()));
    }
    ObjectNode row = JsonNodeFactory.instance.objectNode();
    for (int i = 0; i < fields.size(); i++) {
      row.put(header.get(i), fields.get(i));
    }
    return row;
  }

  private List<String> fields() throws RejectedRow {
    int end = textEnd();
    checkBytes(end);
    List<String> fields = new ArrayList<>();
    int at = buffer.from();
    while (true) {
      at = field(at, end, fields);
      if (at >= end) {
        return fields;
      }
      at++;
      if (at == end) {
        fields.add("");
        return fields;
      }
    }
  }

  private void checkBytes(int end) throws RejectedRow {
    if (end - buffer.from() > ReadBuffer.LONGEST_ROW) {
      throw new RejectedRow(
          TOO_LONG, "the row is longer than %s bytes".formatted(ReadBuffer.LONGEST_ROW));
    }
    utf8.check(buffer.bytes(), buffer.from(), end);
  }

  /** Adds the field that begins at {@code at} and returns where its delimiter or the end is. */
  private int field(int at, int end, List<String> fields) throws RejectedRow {
    byte[] bytes = buffer.bytes();
    if (at < end && bytes[at] == quote) {
      return quotedField(at + 1, end, fields);
    }
    int stop = at;
    while (stop < end && bytes[stop] != delimiter) {
      if (bytes[stop] == quote) {
        throw new RejectedRow(
            CSV_QUOTES, "field %s holds a quote but is not in quotes".formatted(fields.size() + 1));
      }
      stop++;
    }
    fields.add(new String(bytes, at, stop - at, StandardCharsets.UTF_8));
    return stop;
  }

  private int quotedField(int start, int end, List<String> fields) throws RejectedRow {
    byte[] bytes = buffer.bytes();
    int at = start;
    while (at < end && (bytes[at] != quote || isEscaping(at, end))) {
      at += isEscaping(at, end) ? 2 : 1;
    }
    if (at >= end || (at + 1 < end && bytes[at + 1] != delimiter)) {
      throw new RejectedRow(
          CSV_QUOTES, "field %s goes on after its closing quote".formatted(fields.size() + 1));
    }
    fields.add(unescaped(new String(bytes, start, at - start, StandardCharsets.UTF_8)));
    return at + 1;
  }

  /** Whether the byte at {@code at}, within quotes, takes the next one for a part of the text. */
  private boolean isEscaping(int at, int end) {
    byte[] bytes = buffer.bytes();
    return at + 1 < end && isEscaping((char) bytes[at], (char) bytes[at + 1]);
  }

  private boolean isEscaping(char c, char next) {
    return (c == escape && (next == quote || next == escape)) || (c == quote && next == quote);
  }

  private String unescaped(String text) {
    if (text.indexOf(quote) < 0 && text.indexOf(escape) < 0) {
      return text;
    }
    StringBuilder plain = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); i++) {
      if (i + 1 < text.length() && isEscaping(text.charAt(i), text.charAt(i + 1))) {
        i++;
      }
      plain.append(text.charAt(i));
    }
    return plain.toString();
  }

  @Override
  public String excerpt() {
    return Utf8.excerpt(buffer.bytes(), buffer.from(), textEnd());
  }

  @Override
  public long blankLines() {
    return blankLines;
  }

  @Override
  public void close() throws IOException {
    buffer.close();
  }
}
