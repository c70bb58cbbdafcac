package org.sparkfinetune.spark.prepare;

import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.DUPLICATE_KEY;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.NOT_AN_OBJECT;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.NOT_JSON;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.NOT_UTF8;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.TOO_LONG;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Locale;
import java.util.OptionalInt;
import org.sparkfinetune.data.conversation.RejectedRow;

/** JSON values, one a slice: JSON lines or the elements of an array. */
final class JsonRows implements SourceRows {
  private static final ObjectReader READER =
      new ObjectMapper()
          .reader()
          .with(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
          .with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private final Slices slices;
  private final Utf8 utf8 = new Utf8();
  private long blankLines;

  JsonRows(Slices slices) {
    this.slices = slices;
  }

  @Override
  public boolean next() throws IOException {
    while (slices.next()) {
      if (!isBlank()) {
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
    // Between two commas of an array a row is missing; an empty line is merely an empty line.
    return slices instanceof LineSlices;
  }

  @Override
  public long number() {
    return slices.number();
  }

  @Override
  public ObjectNode tree() throws RejectedRow {
    if (slices.cut()) {
      throw new RejectedRow(
          TOO_LONG, "the row is longer than %s bytes".formatted(Window.LONGEST_ROW));
    }
    OptionalInt wrong = utf8.firstWrong(slices.bytes(), slices.start(), slices.end());
    if (wrong.isPresent()) {
      int value = slices.bytes()[slices.start() + wrong.getAsInt()] & 0xff;
      throw new RejectedRow(
          NOT_UTF8,
          String.format(Locale.ROOT, "byte %d of the row is 0x%02x", wrong.getAsInt() + 1, value));
    }
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
      String message = e.getOriginalMessage();
      JsonLocation at = e.getLocation();
      String detail = at == null ? message : message + " at byte " + at.getByteOffset();
      boolean duplicate = message != null && message.startsWith("Duplicate field");
      throw new RejectedRow(duplicate ? DUPLICATE_KEY : NOT_JSON, firstLine(detail));
    } catch (IOException e) {
      throw new UncheckedIOException("reading from memory failed", e);
    }
  }

  private static String firstLine(String text) {
    return text.lines().findFirst().orElse("").replaceFirst("; byte offset: #.*", "");
  }

  @Override
  public String excerpt() {
    return Utf8.shortened(slices.bytes(), slices.start(), slices.end());
  }

  @Override
  public long blankLines() {
    return blankLines;
  }

  @Override
  public void close() throws IOException {
    slices.close();
  }
}
