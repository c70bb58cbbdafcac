package org.sparkfinetune.data.conversation;

import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.UNKNOWN_ROLE;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.UNSUPPORTED_CONTENT;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.RowShape.Converter;
import org.sparkfinetune.data.conversation.RowShape.SystemMessage;

/**
 * {@code messages} of {@code role} and {@code content}, where content is a text or a list of typed
 * parts. Parts of type {@code text} are joined as they are; any other part, a tool call or a turn
 * with {@code weight: 0} is rejected, since leaving it out would change what the rest means.
 */
record OpenAiMessages(SystemMessage system) implements Converter {
  static final String NO_ROBOTS =
      "You are Llama, an AI assistant created by Philipp to be helpful and honest. Your knowledge"
          + " spans a wide range of topics, allowing you to engage in substantive conversations and"
          + " provide analysis on complex subjects.";

  private static final List<String> CALLS = List.of("tool_calls", "function_call", "tool_call_id");

  @Override
  public Set<String> columns() {
    return Set.of("messages", "tools", "functions");
  }

  @Override
  public Conversation convert(ObjectNode row) throws RejectedRow {
    for (String name : List.of("tools", "functions")) {
      if (Fields.holdsSomething(row, name)) {
        throw new RejectedRow(UNSUPPORTED_CONTENT, "the row has " + name);
      }
    }
    ArrayNode array = Fields.array(row, "messages", "");
    List<Message> messages = new ArrayList<>(array.size() + 1);
    for (int i = 0; i < array.size(); i++) {
      String where = "messages[" + i + "]";
      messages.add(message(Fields.object(array.get(i), where), where + "."));
    }
    return TrainableShape.checked(messages.isEmpty() ? messages : system.before(messages));
  }

  private static Message message(ObjectNode object, String where) throws RejectedRow {
    String name = Fields.text(object, "role", where);
    Role role =
        Role.withText(name)
            .orElseThrow(
                () ->
                    new RejectedRow(
                        UNKNOWN_ROLE,
                        "%srole is '%s'; known are system, user, assistant"
                            .formatted(where, Fields.shortened(name))));
    for (String call : CALLS) {
      if (Fields.holdsSomething(object, call)) {
        throw new RejectedRow(UNSUPPORTED_CONTENT, where + call + " is not text");
      }
    }
    JsonNode weight = object.get("weight");
    if (weight != null && weight.isNumber() && weight.doubleValue() == 0) {
      throw new RejectedRow(
          UNSUPPORTED_CONTENT, where + "weight is 0: single turns cannot be left untrained");
    }
    return new Message(role, content(Fields.present(object, "content", where), where + "content"));
  }

  private static String content(JsonNode content, String what) throws RejectedRow {
    if (!(content instanceof ArrayNode parts)) {
      return Fields.text(content, what);
    }
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < parts.size(); i++) {
      String where = what + "[" + i + "]";
      ObjectNode part = Fields.object(parts.get(i), where);
      String type = Fields.text(part, "type", where + ".");
      if (!type.equals("text")) {
        throw new RejectedRow(
            UNSUPPORTED_CONTENT,
            "%s.type is '%s'; only 'text' can be trained on"
                .formatted(where, Fields.shortened(type)));
      }
      text.append(Fields.text(part, "text", where + "."));
    }
    return text.toString();
  }
}
