package org.sparkfinetune.spark.dataset;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Row;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Extras;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.Conversation.TemplateInputs;
import org.sparkfinetune.data.conversation.Conversation.ToolCall;
import org.sparkfinetune.data.conversation.MessageJson;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.UserError;

/** The two ways in which a prepared data set lies on disk. */
public enum DatasetLayout {
  /** {@code train/*.parquet} with a column {@code messages}. */
  PARQUET {
    @Override
    public Conversation read(Row row, long number) {
      List<Message> messages = new ArrayList<>();
      if (!row.isNullAt(0)) {
        for (Object element : row.getList(0)) {
          Row message = (Row) element;
          boolean missing = message == null;
          messages.add(
              message(
                  row,
                  number,
                  missing ? null : message.getString(0),
                  missing ? null : message.getString(1),
                  missing ? Extras.NONE : extras(message)));
        }
      }
      return conversation(
          row, number, messages, new TemplateInputs(text(row, 3), text(row, 4)), text(row, 5));
    }
  },

  /**
   * {@code train_dataset.json}, a conversation a line. Parsed here and not by Spark, which makes
   * strings of numbers and nulls of mistakes.
   */
  JSON_LINES {
    @Override
    public Conversation read(Row row, long number) {
      List<Message> messages = new ArrayList<>();
      JsonNode conversation = parse(row, number);
      for (JsonNode message : conversation.path("messages")) {
        messages.add(
            message(
                row,
                number,
                message.path("role").textValue(),
                message.path("content").textValue(),
                MessageJson.extras(message)));
      }
      return conversation(
          row,
          number,
          messages,
          new TemplateInputs(
              MessageJson.jsonText(conversation.path("tools"), ""),
              MessageJson.jsonText(conversation.path("documents"), "")),
          MessageJson.jsonText(conversation.path("rejected"), ""));
    }
  };

  private static final ObjectReader JSON =
      JsonMapper.builder()
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build()
          .readerFor(JsonNode.class);

  /**
   * @param row (conversation, file, block, tools, documents, rejected)
   * @param number of the conversation in its block, for messages
   */
  public abstract Conversation read(Row row, long number);

  public static String where(String file, long block, long number) {
    String part = block == 0 ? "" : " counted from byte " + block;
    return "Conversation %s%s of '%s'".formatted(number + 1, part, file);
  }

  private static UserError broken(Row row, long number, String what) {
    return new UserError(
        "%s %s. Let prepare write the data set, or remove that conversation."
            .formatted(where(row.getString(1), row.getLong(2), number), what));
  }

  private static JsonNode parse(Row row, long number) {
    try {
      return JSON.readTree(row.getString(0));
    } catch (JsonProcessingException e) {
      throw broken(row, number, "is no JSON (" + ParserWords.of(e.getOriginalMessage()) + ")");
    }
  }

  private static Extras extras(Row message) {
    List<ToolCall> calls = new ArrayList<>();
    if (!message.isNullAt(2)) {
      for (Object element : message.getList(2)) {
        Row call = (Row) element;
        Row function = call.getStruct(2);
        calls.add(new ToolCall(text(call, 0), text(function, 0), text(function, 1)));
      }
    }
    return new Extras(
        calls,
        text(message, 3),
        text(message, 4),
        text(message, 5),
        message.isNullAt(1),
        !message.isNullAt(6) && message.getInt(6) == 0);
  }

  private static String text(Row row, int field) {
    return row.isNullAt(field) ? "" : row.getString(field);
  }

  private static Message message(
      Row row, long number, @Nullable String role, @Nullable String content, Extras extras) {
    boolean onlyCalls = content == null && !extras.toolCalls().isEmpty();
    if (role == null || (content == null && !onlyCalls)) {
      throw broken(row, number, "has a message without a text as role or as content");
    }
    return new Message(
        Role.withText(role)
            .orElseThrow(
                () ->
                    broken(
                        row,
                        number,
                        "has a message of the role '%s' (allowed: %s)"
                            .formatted(role, Role.known()))),
        content == null ? "" : content,
        extras);
  }

  private static Conversation conversation(
      Row row, long number, List<Message> messages, TemplateInputs inputs, String rejected) {
    if (messages.isEmpty()) {
      throw broken(row, number, "has no messages");
    }
    return new Conversation(messages, inputs, rejected);
  }
}
