package org.sparkfinetune.data.conversation;

import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.UNKNOWN_ROLE;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.UNSUPPORTED_CONTENT;
import static org.sparkfinetune.data.conversation.RejectedRow.RejectionReason.WRONG_TYPE;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.sparkfinetune.data.conversation.Conversation.Extras;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.Conversation.TemplateInputs;
import org.sparkfinetune.data.conversation.Conversation.ToolCall;

/**
 * The fields of a turn as OpenAI, TRL and exporters of ShareGPT spell them: content, calls of
 * tools, reasoning and weights. What has no meaning here is rejected, since leaving it out would
 * change what the rest means.
 */
final class TurnFields {
  private static final ObjectReader JSON =
      new ObjectMapper()
          .reader()
          .with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .with(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);

  private static final String DOCUMENTS = "documents";
  private static final List<String> TOOLS = List.of("tools", "functions");

  private TurnFields() {}

  /** {@code {role, content, …}}. */
  static Message openAi(ObjectNode turn, String where) throws RejectedRow {
    String name = Fields.text(turn, "role", where);
    // OpenAI's first name for the results of functions.
    Role role = name.equals("function") ? Role.TOOL : Role.withText(name).orElse(null);
    if (role == null) {
      throw new RejectedRow(
          UNKNOWN_ROLE,
          "%srole is '%s'; known are %s".formatted(where, Fields.shortened(name), Role.known()));
    }
    List<ToolCall> calls = calls(turn, where);
    if (!calls.isEmpty() && role != Role.ASSISTANT) {
      throw new RejectedRow(
          UNSUPPORTED_CONTENT, "%stool_calls belong to the assistant".formatted(where));
    }
    JsonNode content = turn.get("content");
    boolean contentIsNull = !calls.isEmpty() && (content == null || content.isNull());
    String text =
        contentIsNull ? "" : content(Fields.present(turn, "content", where), where + "content");
    Extras extras =
        new Extras(
            calls,
            Fields.textOrEmpty(turn, "tool_call_id", where),
            Fields.textOrEmpty(turn, "name", where),
            Fields.textOrEmpty(turn, "reasoning_content", where),
            contentIsNull,
            untrained(turn, where));
    return new Message(role, text, extras);
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

  /** {@code weight: 0} as OpenAI has it, or {@code train: false}. */
  static boolean untrained(ObjectNode turn, String where) throws RejectedRow {
    JsonNode weight = turn.path("weight");
    JsonNode train = turn.path("train");
    boolean known =
        weight.isMissingNode()
            || weight.isNull()
            || (weight.isNumber() && (weight.doubleValue() == 0 || weight.doubleValue() == 1));
    if (!known) {
      throw new RejectedRow(
          UNSUPPORTED_CONTENT,
          "%sweight is %s; 0 and 1 can be trained on".formatted(where, weight));
    }
    if (!train.isMissingNode() && !train.isNull() && !train.isBoolean()) {
      throw Fields.wrongType(train, where + "train", "true or false");
    }
    return (weight.isNumber() && weight.doubleValue() == 0)
        || (train.isBoolean() && !train.booleanValue());
  }

  private static List<ToolCall> calls(ObjectNode turn, String where) throws RejectedRow {
    List<ToolCall> calls = new ArrayList<>();
    if (Fields.holdsSomething(turn, "tool_calls")) {
      ArrayNode array = Fields.array(turn, "tool_calls", where);
      for (int i = 0; i < array.size(); i++) {
        String what = where + "tool_calls[" + i + "]";
        calls.add(call(Fields.object(array.get(i), what), what));
      }
    }
    if (Fields.holdsSomething(turn, "function_call")) {
      String what = where + "function_call";
      calls.add(call(Fields.object(turn.get("function_call"), what), what));
    }
    return calls;
  }

  /** {@code {id, type, function: {name, arguments}}}, or name and arguments alone. */
  private static ToolCall call(ObjectNode call, String where) throws RejectedRow {
    boolean wrapped = call.path("function").isObject();
    ObjectNode function = wrapped ? (ObjectNode) call.get("function") : call;
    String at = where + (wrapped ? ".function." : ".");
    String type = Fields.textOrEmpty(call, "type", where + ".");
    if (!type.isEmpty() && !type.equals("function")) {
      throw new RejectedRow(
          UNSUPPORTED_CONTENT,
          "%s.type is '%s'; only 'function' is known".formatted(where, Fields.shortened(type)));
    }
    return new ToolCall(
        Fields.textOrEmpty(call, "id", where + "."),
        Fields.text(function, "name", at),
        arguments(function, at));
  }

  /** As text whatever they are: text that spells an object, and the object, mean the same. */
  private static String arguments(ObjectNode function, String where) throws RejectedRow {
    JsonNode arguments = function.get("arguments");
    if (arguments == null) {
      arguments = function.get("parameters");
    }
    if (arguments == null || arguments.isNull()) {
      return "{}";
    }
    JsonNode object = arguments.isTextual() ? parsed(arguments, where + "arguments") : arguments;
    if (!object.isObject()) {
      throw Fields.wrongType(
          arguments, where + "arguments", "an object, or a text that spells one");
    }
    return object.toString();
  }

  private static JsonNode parsed(JsonNode text, String what) throws RejectedRow {
    String json = Fields.text(text, what);
    try {
      return json.isBlank() ? new ObjectMapper().createObjectNode() : JSON.readTree(json);
    } catch (JsonProcessingException e) {
      throw new RejectedRow(
          WRONG_TYPE, "%s is a text that is no JSON: %s".formatted(what, Fields.shortened(json)));
    }
  }

  /**
   * ShareGPT's {@code function_call}: one call or several, as the JSON text of name and arguments.
   */
  static List<ToolCall> shareGptCalls(String value, String where) throws RejectedRow {
    JsonNode json = parsed(TextNode.valueOf(value), where);
    List<ToolCall> calls = new ArrayList<>();
    Iterable<JsonNode> all = json.isArray() ? json : List.of(json);
    for (JsonNode call : all) {
      calls.add(call(Fields.object(call, where), where));
    }
    return calls;
  }

  /** These columns and those that {@link #inputs} looks at. */
  static Set<String> withInputs(String... columns) {
    Set<String> all = new TreeSet<>(TOOLS);
    all.add(DOCUMENTS);
    all.addAll(List.of(columns));
    return all;
  }

  /** What a template gets besides messages: tools and documents. */
  static TemplateInputs inputs(ObjectNode row) throws RejectedRow {
    return new TemplateInputs(tools(row), documents(row));
  }

  private static String documents(ObjectNode row) throws RejectedRow {
    if (!Fields.holdsSomething(row, DOCUMENTS)) {
      return "";
    }
    ArrayNode documents = array(row, DOCUMENTS);
    for (int i = 0; i < documents.size(); i++) {
      JsonNode document = documents.get(i);
      if (!document.isObject()) {
        throw Fields.wrongType(document, DOCUMENTS + "[" + i + "]", "an object of title and text");
      }
    }
    return documents.isEmpty() ? "" : documents.toString();
  }

  /** The columns {@code tools}, or {@code functions}, as an array in its own text. */
  private static String tools(ObjectNode row) throws RejectedRow {
    for (String column : TOOLS) {
      if (!Fields.holdsSomething(row, column)) {
        continue;
      }
      JsonNode value = row.get(column);
      JsonNode tools = value.isTextual() ? parsed(value, column) : value;
      if (!(tools instanceof ArrayNode array)) {
        throw Fields.wrongType(value, column, "an array, or a text that spells one");
      }
      ArrayNode all = new ObjectMapper().createArrayNode();
      for (int i = 0; i < array.size(); i++) {
        all.add(tool(Fields.object(array.get(i), column + "[" + i + "]")));
      }
      return all.isEmpty() ? "" : all.toString();
    }
    return "";
  }

  /** Templates read {@code tool.function}: a function without that frame gets it. */
  private static ObjectNode tool(ObjectNode tool) {
    if (tool.has("function") || !tool.has("name")) {
      return tool;
    }
    ObjectNode framed = new ObjectMapper().createObjectNode();
    framed.put("type", "function").set("function", tool);
    return framed;
  }

  /** The messages of a column that is an array, or a text that spells one. */
  static ArrayNode array(ObjectNode row, String column) throws RejectedRow {
    JsonNode value = Fields.present(row, column, "");
    JsonNode array = value.isTextual() ? parsed(value, column) : value;
    if (array instanceof ArrayNode messages) {
      return messages;
    }
    throw Fields.wrongType(value, column, "an array");
  }
}
