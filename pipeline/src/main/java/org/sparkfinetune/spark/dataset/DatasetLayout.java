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
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
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
                  missing ? null : message.getString(1)));
        }
      }
      return conversation(row, number, messages);
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
      for (JsonNode message : parse(row, number).path("messages")) {
        messages.add(
            message(
                row,
                number,
                message.path("role").textValue(),
                message.path("content").textValue()));
      }
      return conversation(row, number, messages);
    }
  };

  private static final ObjectReader JSON =
      JsonMapper.builder()
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build()
          .readerFor(JsonNode.class);

  /**
   * @param row (conversation, file, block)
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
      throw broken(row, number, "is no JSON (" + e.getOriginalMessage() + ")");
    }
  }

  private static Message message(
      Row row, long number, @Nullable String role, @Nullable String content) {
    if (role == null || content == null) {
      throw broken(row, number, "has a message without a text as role or as content");
    }
    return new Message(
        Role.withText(role)
            .orElseThrow(
                () ->
                    broken(
                        row,
                        number,
                        "has a message of the role '%s' (allowed: system, user, assistant)"
                            .formatted(role))),
        content);
  }

  private static Conversation conversation(Row row, long number, List<Message> messages) {
    if (messages.isEmpty()) {
      throw broken(row, number, "has no messages");
    }
    return new Conversation(messages);
  }
}
