package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.data.conversation.RejectedRow;
import org.sparkfinetune.data.conversation.RowShape;
import org.sparkfinetune.data.conversation.RowShape.Converter;

/** Against the bytes that the reference's conversion writes. */
final class JsonLineParityTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final Path GOLDEN = Path.of("src", "test", "resources", "golden");

  @Test
  void the_sql_recipes_lines_are_the_references_to_the_byte() throws Exception {
    Path golden = GOLDEN.resolve("conversations.jsonl");
    assertThat(converted(golden, SplitWriter.Escaping.ASCII_ONLY))
        .isEqualTo(Files.readAllBytes(golden));
  }

  @Test
  void unescaped_lines_are_the_references_to_the_byte() throws Exception {
    Path golden = GOLDEN.resolve("conversations-unescaped.jsonl");
    assertThat(converted(golden, SplitWriter.Escaping.UTF8)).isEqualTo(Files.readAllBytes(golden));
  }

  /** Rows that would become these conversations, converted and written again. */
  private static byte[] converted(Path golden, SplitWriter.Escaping escaping)
      throws IOException, RejectedRow {
    Converter converter = RowShape.SQL_CREATE_CONTEXT.converter(Optional.empty(), Optional.empty());
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (SplitWriter.JsonLines lines = new SplitWriter.JsonLines(out, escaping)) {
      for (String text : Files.readAllLines(golden)) {
        JsonNode messages = MAPPER.readTree(text).get("messages");
        ObjectNode row = MAPPER.createObjectNode();
        row.put("context", messages.get(0).get("content").asText().split("\nSCHEMA:\n", 2)[1]);
        row.put("question", messages.get(1).get("content").asText());
        row.put("answer", messages.get(2).get("content").asText());
        lines.write(EncodedConversation.of(converter.convert(row)), "");
      }
    }
    return out.toByteArray();
  }

  @Test
  void every_kind_of_character_is_written_as_pandas_ujson_writes_it() throws IOException {
    String text =
        "\0\u0001\b\t\n\u000b\f\r\u001f \"'/<\\~\u007f\u0080é\u2028\ud7ff\uffff\ud83d\ude00";
    assertThat(line(text, SplitWriter.Escaping.ASCII_ONLY))
        .isEqualTo(
            "\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f \\\"'\\/<\\\\~\u007f"
                + "\\u0080\\u00e9\\u2028\\ud7ff\\uffff\\ud83d\\ude00");
    assertThat(line(text, SplitWriter.Escaping.UTF8))
        .isEqualTo(
            "\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f \\\"'\\/<\\\\~\u007f"
                + "\u0080é\u2028\ud7ff\uffff\ud83d\ude00");
  }

  private static String line(String content, SplitWriter.Escaping escaping) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (SplitWriter.JsonLines lines = new SplitWriter.JsonLines(out, escaping)) {
      lines.write(
          EncodedConversation.of(new Conversation(List.of(new Message(Role.USER, content)))), "");
    }
    String line = out.toString(java.nio.charset.StandardCharsets.UTF_8);
    return line.substring(
        "{\"messages\":[{\"role\":\"user\",\"content\":\"".length(), line.length() - 5);
  }
}
