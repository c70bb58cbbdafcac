package org.sparkfinetune.spark.prepare;

import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.DUPLICATE_KEY;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.NOT_AN_OBJECT;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.NOT_JSON;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.TOO_LONG;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.util.LineReader;
import org.sparkfinetune.data.conversation.RejectedRow;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.spark.prepare.TextInput.UnreadableFile;

/** JSON values: one a line, the elements of one array, or objects over many lines. */
final class JsonRows implements TextInput.Rows {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final ObjectReader READER =
      MAPPER
          .reader()
          .with(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
          .with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  /** The text of one row after the other: {@code bytes[start, end)}. */
  interface Slices extends Closeable {
    boolean next() throws IOException;

    /** 1 for the first row or line of the split. */
    long number();

    byte[] bytes();

    int start();

    int end();

    /** Whether the row is too long; then the slice is its beginning. */
    default boolean cut() {
      return false;
    }

    /** Whether a blank slice is no row at all. */
    default boolean mayBeBlank() {
      return false;
    }
  }

  private final Slices slices;
  private final Utf8 utf8 = new Utf8();
  private long blankLines;

  JsonRows(Slices slices) {
    this.slices = slices;
  }

  /** What a file holds, by its beginning. */
  enum Layout {
    LINES,
    ARRAY,
    /** Objects over many lines. */
    OBJECTS;

    /**
     * A file is an array if it begins with a bracket, unless its first line is a whole array and
     * more lines follow: then they are rows of the wrong type, to be rejected one by one. It holds
     * objects over many lines if its first line ends within an object, where JSON may have a line
     * end, and the next one goes on with it; else that line is a row that is cut short.
     */
    static Layout of(byte[] head, int start, int end) {
      int first = skipSpace(head, start, end);
      int lineEnd = first;
      while (lineEnd < end && head[lineEnd] != '\n') {
        lineEnd++;
      }
      int more = skipSpace(head, lineEnd, end);
      if (first < end && head[first] == '[') {
        return more == end || !isWholeArray(head, first, lineEnd) ? ARRAY : LINES;
      }
      boolean goesOn =
          first < end && head[first] == '{' && more < end && goesOn(head, first, lineEnd, more);
      return goesOn ? OBJECTS : LINES;
    }

    private static int skipSpace(byte[] head, int start, int end) {
      int at = start;
      while (at < end && (head[at] == ' ' || (head[at] >= '\t' && head[at] <= '\r'))) {
        at++;
      }
      return at;
    }

    private static boolean goesOn(byte[] head, int start, int lineEnd, int more) {
      JsonNesting nesting = new JsonNesting();
      byte last = 0;
      for (int at = start; at < lineEnd; at++) {
        nesting.take(head[at]);
        last = JsonNesting.isSpace(head[at]) ? last : head[at];
      }
      return !nesting.isOutside()
          && !nesting.isInText()
          && (last == '[' || ("{,:".indexOf(last) >= 0 && head[more] != '{'));
    }

    private static boolean isWholeArray(byte[] head, int start, int end) {
      try {
        return MAPPER.readTree(head, start, end - start).isArray();
      } catch (IOException e) {
        return false;
      }
    }
  }

  @Override
  public boolean next() throws IOException {
    while (slices.next()) {
      if (!slices.mayBeBlank() || !isBlank()) {
        return true;
      }
      blankLines++;
    }
    return false;
  }

  private boolean isBlank() {
    byte[] bytes = slices.bytes();
    for (int at = slices.start(); at < slices.end(); at++) {
      if (bytes[at] != ' ' && bytes[at] != '\t' && bytes[at] != '\r') {
        return false;
      }
    }
    return true;
  }

  @Override
  public long number() {
    return slices.number();
  }

  @Override
  public ObjectNode tree() throws RejectedRow {
    if (slices.cut()) {
      throw new RejectedRow(
          TOO_LONG, "the row is longer than %s bytes".formatted(ReadBuffer.LONGEST_ROW));
    }
    utf8.check(slices.bytes(), slices.start(), slices.end());
    JsonNode node = parse();
    if (node instanceof ObjectNode object) {
      return object;
    }
    String type = node.getNodeType().name().toLowerCase(Locale.ROOT);
    throw new RejectedRow(
        NOT_AN_OBJECT,
        node.isMissingNode()
            ? "nothing between two commas"
            : "the row is of type %s, an object of columns is needed".formatted(type));
  }

  private JsonNode parse() throws RejectedRow {
    try {
      return READER.readTree(slices.bytes(), slices.start(), slices.end() - slices.start());
    } catch (JsonProcessingException e) {
      String message = String.valueOf(e.getOriginalMessage());
      JsonLocation at = e.getLocation();
      String where = at == null ? "" : " at byte " + at.getByteOffset();
      throw new RejectedRow(
          message.startsWith("Duplicate field") ? DUPLICATE_KEY : NOT_JSON,
          ParserWords.of(message) + where);
    } catch (IOException e) {
      throw new UncheckedIOException("reading from memory failed", e);
    }
  }

  @Override
  public String excerpt() {
    return Utf8.excerpt(slices.bytes(), slices.start(), slices.end());
  }

  @Override
  public long blankLines() {
    return blankLines;
  }

  @Override
  public void close() throws IOException {
    slices.close();
  }

  /** Where a stream begins. */
  enum Beginning {
    OF_A_LINE,
    INSIDE_A_LINE
  }

  /** The lines that begin before {@code end}, found by Hadoop's line reader. */
  static final class Lines implements Slices {
    /** A lone carriage return is white space to JSON, and no line end as Hadoop has it unasked. */
    private static final byte[] LINE_END = "\n".getBytes(StandardCharsets.UTF_8);

    private static final int BUFFER = 256 << 10;

    /** Hadoop counts the bytes of a line, in steps of its buffer, as an int. */
    private static final int LONGEST_LINE = Integer.MAX_VALUE - 2 * BUFFER;

    private final LineReader reader;
    private final long end;
    private final int longest;
    private final Text line = new Text();
    private boolean skipsFirst;
    private long position;
    private long number;

    /**
     * @param position in the file, of the stream's first byte
     */
    Lines(InputStream in, long position, long end, Beginning beginning) {
      this(in, position, end, beginning, ReadBuffer.LONGEST_ROW);
    }

    Lines(InputStream in, long position, long end, Beginning beginning, int longest) {
      this.reader = new LineReader(in, BUFFER, LINE_END);
      this.position = position;
      this.end = end;
      this.skipsFirst = beginning == Beginning.INSIDE_A_LINE;
      this.longest = longest;
    }

    @Override
    public boolean next() throws IOException {
      if (skipsFirst) {
        skipsFirst = false;
        read(0);
      }
      if (position >= end || !read(longest + 1)) {
        return false;
      }
      number++;
      return true;
    }

    /** Keeps no more than {@code most} bytes of the line. */
    private boolean read(int most) throws IOException {
      int consumed = reader.readLine(line, most, LONGEST_LINE);
      if (consumed >= LONGEST_LINE) {
        throw new UnreadableFile(
            "row %s has no end within %s bytes".formatted(number + 1, LONGEST_LINE));
      }
      position += consumed;
      return consumed > 0;
    }

    @Override
    public long number() {
      return number;
    }

    @Override
    public byte[] bytes() {
      return line.getBytes();
    }

    @Override
    public int start() {
      return 0;
    }

    @Override
    public int end() {
      int length = line.getLength();
      return length > 0 && line.getBytes()[length - 1] == '\r' ? length - 1 : length;
    }

    @Override
    public boolean cut() {
      return line.getLength() > longest;
    }

    @Override
    public boolean mayBeBlank() {
      return true;
    }

    @Override
    public void close() throws IOException {
      reader.close();
    }
  }
}
