package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.SerializableString;
import com.fasterxml.jackson.core.StreamWriteFeature;
import com.fasterxml.jackson.core.io.CharacterEscapes;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroupFactory;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.config.PrepareConfig.OutputFormat;
import org.sparkfinetune.data.conversation.Conversation.Extras;
import org.sparkfinetune.data.conversation.Conversation.TemplateInputs;
import org.sparkfinetune.data.conversation.Conversation.ToolCall;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.data.conversation.MessageJson;
import org.sparkfinetune.data.conversation.TokenCounter;
import org.sparkfinetune.spark.dataset.ExtraColumn;
import org.sparkfinetune.spark.prepare.Selection.Split;
import org.sparkfinetune.store.AtomicFile;

/** One bucket's part of one split, in each format asked for. Files come with their first row. */
final class SplitWriter {
  private final OutputFolder.Parts files;
  private final Split split;
  private final int bucket;
  private final Set<OutputFormat> formats;
  private final Set<ExtraColumn> columns;
  private final Escaping escaping;
  private final SplitStatistics statistics = new SplitStatistics();
  private final @Nullable TokenCounter counter;
  private @Nullable ParquetRows parquet;
  private @Nullable JsonLines json;
  private final List<AtomicFile> written = new ArrayList<>();

  SplitWriter(Split split, int bucket, WriteTask.Plan plan) {
    this.files = plan.files();
    this.split = split;
    this.bucket = bucket;
    this.formats = plan.formats();
    this.columns = plan.columns();
    this.escaping = plan.escaping();
    this.counter = plan.counter() == null ? null : plan.counter().value();
  }

  /**
   * @param source empty where nothing is mixed
   * @param copy 0 for the first row of these bytes, 1 for the next…; ids tell them apart
   * @return the row's id
   */
  String write(EncodedConversation row, String source, int copy) throws IOException {
    byte[] digest = row.digest();
    // Of the text alone, so that a row keeps its name over seeds and splits.
    String name = EncodedConversation.name(digest);
    String id = copy == 0 ? name : name + "-" + (copy + 1);
    if (formats.contains(OutputFormat.PARQUET)) {
      if (parquet == null) {
        parquet = new ParquetRows(create(parquetName(split, bucket)), columns);
      }
      parquet.write(id, row, source);
    }
    if (formats.contains(OutputFormat.JSON)) {
      if (json == null) {
        json = new JsonLines(create(jsonName(split, bucket)), escaping);
      }
      json.write(row, source);
    }
    statistics.add(id, digest, row);
    if (counter != null) {
      statistics.tokens().add(row.conversation(), counter);
    }
    return id;
  }

  private AtomicFile create(String name) {
    AtomicFile file = files.create(name);
    written.add(file);
    return file;
  }

  static String parquetName(Split split, int bucket) {
    return String.format(Locale.ROOT, "%s/part-%05d.parquet", split.folder(), bucket);
  }

  static String jsonName(Split split, int bucket) {
    return String.format(Locale.ROOT, "%s/%s-%05d.json", WriteTask.PARTS, split.folder(), bucket);
  }

  SplitStatistics finish() throws IOException {
    if (counter != null) {
      statistics.tokens().flush(counter);
    }
    if (parquet != null) {
      parquet.close();
    }
    if (json != null) {
      json.close();
    }
    written.forEach(AtomicFile::commit);
    return statistics;
  }

  /** By column, what a row has beside its messages. */
  private static Map<String, String> inputs(EncodedConversation row) {
    TemplateInputs inputs = row.inputs();
    if (inputs.equals(TemplateInputs.NONE) && row.rejected().isEmpty()) {
      return Map.of();
    }
    Map<String, String> columns = new LinkedHashMap<>();
    columns.put(ExtraColumn.TOOLS.text(), inputs.tools());
    columns.put(ExtraColumn.DOCUMENTS.text(), inputs.documents());
    columns.put(ExtraColumn.REJECTED.text(), row.rejected());
    columns.values().removeIf(String::isEmpty);
    return columns;
  }

  /** What a JSON text may hold outside ASCII. */
  enum Escaping {
    /** Everything outside ASCII as {@code \\uXXXX}. */
    ASCII_ONLY,
    /** Characters as they are. */
    UTF8
  }

  /**
   * {@code {"messages":[{"role":…,"content":…},…]}} and a line end, byte for byte as the
   * reference's {@code to_json} has it, which is pandas' ujson: {@code /} as {@code \/}, and hex
   * digits in lower case.
   */
  static final class JsonLines implements Closeable {
    private final JsonGenerator json;
    private final Escaping escaping;

    JsonLines(OutputStream out, Escaping escaping) throws IOException {
      JsonFactory factory =
          new JsonFactoryBuilder()
              .characterEscapes(new SlashEscaped())
              .rootValueSeparator((String) null)
              .disable(StreamWriteFeature.AUTO_CLOSE_TARGET)
              .disable(JsonWriteFeature.WRITE_HEX_UPPER_CASE)
              .configure(JsonWriteFeature.ESCAPE_NON_ASCII, escaping == Escaping.ASCII_ONLY)
              .build();
      this.json = factory.createGenerator(out).setCodec(new ObjectMapper());
      this.escaping = escaping;
    }

    void write(EncodedConversation row, String source) throws IOException {
      json.writeStartObject();
      json.writeArrayFieldStart("messages");
      row.forEach(
          (role, bytes, start, length, extras) -> {
            json.writeStartObject();
            json.writeStringField("role", role.text());
            json.writeFieldName("content");
            if (extras.contentIsNull()) {
              json.writeNull();
            } else {
              switch (escaping) {
                case UTF8 -> json.writeUTF8String(bytes, start, length);
                case ASCII_ONLY ->
                    json.writeString(new String(bytes, start, length, StandardCharsets.UTF_8));
              }
            }
            writeMembers(MessageJson.extras(extras).without("content"));
            json.writeEndObject();
          });
      json.writeEndArray();
      for (Map.Entry<String, String> input : inputs(row).entrySet()) {
        json.writeStringField(input.getKey(), input.getValue());
      }
      if (!source.isEmpty()) {
        json.writeStringField(ExtraColumn.SOURCE.text(), source);
      }
      json.writeEndObject();
      json.writeRaw('\n');
    }

    private void writeMembers(ObjectNode members) throws IOException {
      for (Map.Entry<String, JsonNode> member : members.properties()) {
        json.writeFieldName(member.getKey());
        json.writeTree(member.getValue());
      }
    }

    @Override
    public void close() throws IOException {
      json.close();
    }

    private static final class SlashEscaped extends CharacterEscapes {
      private static final long serialVersionUID = 1L;

      @Override
      public int[] getEscapeCodesForAscii() {
        int[] escapes = standardAsciiEscapesForJSON();
        escapes['/'] = '/';
        return escapes;
      }

      @Override
      public @Nullable SerializableString getEscapeSequence(int character) {
        return null;
      }
    }
  }

  /**
   * {@code id} string, {@code messages} array of {role, content}, and the columns that the data set
   * needs besides; as Spark itself has arrays.
   */
  static final class ParquetRows implements Closeable {
    private final SimpleGroupFactory rows;
    private final ParquetWriter<Group> writer;

    ParquetRows(AtomicFile out, Set<ExtraColumn> columns) throws IOException {
      MessageType schema = schema(columns);
      rows = new SimpleGroupFactory(schema);
      writer =
          OpenParquet.writer(out, schema)
              // A dictionary of whole texts is built and thrown away: hardly any comes twice.
              .withDictionaryEncoding("messages.list.element.content", false)
              .withDictionaryEncoding("id", false)
              .build();
    }

    private static MessageType schema(Set<ExtraColumn> columns) {
      StringBuilder fields = new StringBuilder();
      for (ExtraColumn column : columns) {
        if (column == ExtraColumn.TOOL_CALLS) {
          fields.append(
              """
              optional group tool_calls (LIST) {
                repeated group list {
                  required group element {
                    optional binary id (STRING);
                    required binary type (STRING);
                    required group function {
                      required binary name (STRING);
                      required binary arguments (STRING);
                    }
                  }
                }
              }
              """);
        } else if (column == ExtraColumn.WEIGHT) {
          fields.append("optional int32 weight;\n");
        } else if (column.isField()) {
          fields.append("optional binary ").append(column.text()).append(" (STRING);\n");
        }
      }
      return MessageTypeParser.parseMessageType(
          """
          message conversation {
            required binary id (STRING);
            required group messages (LIST) {
              repeated group list {
                required group element {
                  required binary role (STRING);
                  %s binary content (STRING);
                  %s
                }
              }
            }
            %s
            %s
          }
          """
              .formatted(
                  columns.contains(ExtraColumn.NULL_CONTENT) ? "optional" : "required",
                  fields,
                  columns.stream()
                      .filter(ExtraColumn::isInput)
                      .map(column -> "optional binary %s (STRING);".formatted(column.text()))
                      .collect(Collectors.joining("\n")),
                  columns.contains(ExtraColumn.SOURCE) ? "required binary source (STRING);" : ""));
    }

    void write(String id, EncodedConversation row, String source) throws IOException {
      Group group = rows.newGroup();
      group.add("id", id);
      Group messages = group.addGroup("messages");
      row.forEach(
          (role, bytes, start, length, extras) -> {
            Group message = messages.addGroup("list").addGroup("element");
            message.add("role", role.text());
            if (!extras.contentIsNull()) {
              message.add("content", Binary.fromConstantByteArray(bytes, start, length));
            }
            if (!extras.isNone()) {
              addExtras(message, extras);
            }
          });
      inputs(row).forEach(group::add);
      if (!source.isEmpty()) {
        group.add(ExtraColumn.SOURCE.text(), source);
      }
      writer.write(group);
    }

    private static void addExtras(Group message, Extras extras) {
      if (!extras.toolCalls().isEmpty()) {
        Group calls = message.addGroup("tool_calls");
        for (ToolCall call : extras.toolCalls()) {
          Group element = calls.addGroup("list").addGroup("element");
          addText(element, "id", call.id());
          element.add("type", "function");
          element
              .addGroup("function")
              .append("name", call.name())
              .append("arguments", call.arguments());
        }
      }
      addText(message, ExtraColumn.TOOL_CALL_ID.text(), extras.toolCallId());
      addText(message, ExtraColumn.NAME.text(), extras.name());
      addText(message, ExtraColumn.REASONING_CONTENT.text(), extras.reasoningContent());
      if (extras.untrained()) {
        message.add(ExtraColumn.WEIGHT.text(), 0);
      }
    }

    private static void addText(Group group, String field, String text) {
      if (!text.isEmpty()) {
        group.add(field, text);
      }
    }

    @Override
    public void close() throws IOException {
      writer.close();
    }
  }
}
