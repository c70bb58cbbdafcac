package org.sparkfinetune.data.conversation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.data.conversation.Conversation.Extras;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.TemplateInputs;
import org.sparkfinetune.data.conversation.Conversation.ToolCall;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.UserError;

/**
 * What a message has besides role and content as the members of its JSON object, in OpenAI's names
 * and with arguments as text; those that are empty are left out.
 */
public final class MessageJson {
  private static final ObjectMapper JSON = new ObjectMapper();

  private MessageJson() {}

  public static ObjectNode extras(Extras extras) {
    ObjectNode json = JSON.createObjectNode();
    if (!extras.toolCalls().isEmpty()) {
      ArrayNode calls = json.putArray("tool_calls");
      for (ToolCall call : extras.toolCalls()) {
        ObjectNode object = calls.addObject();
        putText(object, "id", call.id());
        object
            .put("type", "function")
            .putObject("function")
            .put("name", call.name())
            .put("arguments", call.arguments());
      }
    }
    putText(json, "tool_call_id", extras.toolCallId());
    putText(json, "name", extras.name());
    putText(json, "reasoning_content", extras.reasoningContent());
    if (extras.contentIsNull()) {
      json.putNull("content");
    }
    if (extras.untrained()) {
      json.put("weight", 0);
    }
    return json;
  }

  private static void putText(ObjectNode json, String name, String text) {
    if (!text.isEmpty()) {
      json.put(name, text);
    }
  }

  /** The inverse of {@link #extras(Extras)}, from a message's object. */
  public static Extras extras(JsonNode message) {
    List<ToolCall> calls = new ArrayList<>();
    for (JsonNode call : message.path("tool_calls")) {
      JsonNode function = call.path("function");
      calls.add(
          new ToolCall(
              call.path("id").asText(""),
              function.path("name").asText(""),
              jsonText(function.path("arguments"), "{}")));
    }
    return new Extras(
        calls,
        text(message, "tool_call_id"),
        text(message, "name"),
        text(message, "reasoning_content"),
        message.has("content") && message.get("content").isNull(),
        message.path("weight").asInt(1) == 0);
  }

  /**
   * JSON that a data set holds as a text, or as it is.
   *
   * @param otherwise where there is none
   */
  public static String jsonText(JsonNode json, String otherwise) {
    if (json.isMissingNode() || json.isNull()) {
      return otherwise;
    }
    return json.isTextual() ? json.textValue() : json.toString();
  }

  private static String text(JsonNode message, String name) {
    return message.path(name).isTextual() ? message.path(name).textValue() : "";
  }

  /**
   * A message as OpenAI writes it: role, content (a text, or text parts), calls with arguments of
   * either kind.
   *
   * @param where for messages, before the name of a field
   * @throws UserError if it holds something that cannot be taken
   */
  public static Message message(JsonNode message, String where) {
    try {
      return TurnFields.openAi(Fields.object(message, where), where + ".");
    } catch (RejectedRow e) {
      throw new UserError(e.detail(), e);
    }
  }

  /**
   * What a template gets besides messages.
   *
   * @param row with {@code tools} and {@code documents}, arrays or texts that spell one
   * @throws UserError if they are no lists of functions and of objects
   */
  public static TemplateInputs inputs(ObjectNode row) {
    try {
      return TurnFields.inputs(row);
    } catch (RejectedRow e) {
      throw new UserError(e.detail(), e);
    }
  }

  /** Messages as a JSON array. */
  static String array(List<Message> messages) {
    ArrayNode array = JSON.createArrayNode();
    for (Message message : messages) {
      ObjectNode object = array.addObject();
      object.put("role", message.role().text()).put("content", message.content());
      object.setAll(extras(message.extras()));
    }
    return array.toString();
  }

  /**
   * The inverse of {@link #array}, from what any program wrote.
   *
   * @param where for messages, before a number in brackets
   * @throws UserError if it is no array of messages
   */
  static List<Message> messages(String array, String where) {
    JsonNode json;
    try {
      json = JSON.readTree(array);
    } catch (JsonProcessingException e) {
      throw new UserError(where + " is no JSON: " + ParserWords.of(e.getOriginalMessage()), e);
    }
    if (!json.isArray()) {
      throw new UserError(where + " is no array of messages");
    }
    List<Message> messages = new ArrayList<>();
    for (JsonNode message : json) {
      messages.add(message(message, "%s[%s]".formatted(where, messages.size())));
    }
    return messages;
  }

  static byte[] bytes(Extras extras) {
    try {
      return JSON.writeValueAsBytes(extras(extras));
    } catch (JsonProcessingException e) {
      throw new Bug("A message could not be written to memory.", e);
    }
  }

  static Extras read(byte[] bytes, int start, int length) {
    try {
      return extras(JSON.readTree(bytes, start, length));
    } catch (IOException e) {
      throw new Bug("A message could not be read from memory.", e);
    }
  }
}
