package org.sparkfinetune.inference.evaluate;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.DecimalNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.ToolCall;

/**
 * Whether the answer is the expected JSON: the same members in any order, numbers by value. Of tool
 * calls, names and arguments have to be the same and the calls in the same order, whatever the
 * template makes of them: {@code arguments} or {@code parameters}, as an object or as a text that
 * spells one, inside {@code function} or not, within {@code <tool_call>} tags with text around, one
 * after the other or in an array, behind {@code [TOOL_CALLS]} or {@code <|python_tag|>}, in a code
 * fence.
 */
final class JsonMatch implements AnswerMetric {
  private static final ObjectMapper JSON =
      JsonMapper.builder().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS).build();

  private static final Pattern TAGGED =
      Pattern.compile("<tool_call>(.*?)(?:</tool_call>|$)", Pattern.DOTALL);
  private static final Pattern FENCED = Pattern.compile("```[a-z]*\\n(.*)```", Pattern.DOTALL);
  private static final List<String> PREFIXES = List.of("[TOOL_CALLS]", "<|python_tag|>");

  /** What a call may have besides name and arguments. */
  private static final Set<String> ABOUT_CALLS = Set.of("id", "type", "index");

  @Override
  public String name() {
    return "json_match";
  }

  @Override
  public OptionalDouble score(AnsweredSample sample) {
    Message message = AnsweredSample.expected(sample.conversation());
    Optional<List<JsonNode>> expected =
        message.extras().toolCalls().isEmpty()
            ? values(sample.expected())
            : Optional.of(calls(message.extras().toolCalls()));
    return expected
        .map(wanted -> OptionalDouble.of(values(sample.answer()).equals(expected) ? 1 : 0))
        .orElse(OptionalDouble.empty());
  }

  /** Calls as JSON, for reports. */
  static String text(List<ToolCall> toolCalls) {
    List<JsonNode> calls = calls(toolCalls);
    return calls.size() == 1 ? calls.get(0).toString() : calls.toString();
  }

  private static List<JsonNode> calls(List<ToolCall> toolCalls) {
    return toolCalls.stream()
        .<JsonNode>map(
            call -> call(call.name(), JsonNodeFactory.instance.textNode(call.arguments())))
        .toList();
  }

  /** The JSON values of a text in a form that equal ones share; empty where it is no JSON. */
  private static Optional<List<JsonNode>> values(String text) {
    List<String> pieces = new ArrayList<>();
    Matcher tagged = TAGGED.matcher(text);
    while (tagged.find()) {
      pieces.add(tagged.group(1));
    }
    if (pieces.isEmpty()) {
      pieces.add(unwrapped(text.strip()));
    }
    List<JsonNode> values = new ArrayList<>();
    for (String piece : pieces) {
      try (JsonParser parser = JSON.createParser(piece)) {
        while (parser.nextToken() != null) {
          values.add(JSON.<JsonNode>readTree(parser));
        }
      } catch (IOException e) {
        return Optional.empty();
      }
    }
    boolean isArrayOfCalls =
        values.size() == 1
            && values.get(0) instanceof ArrayNode array
            && !array.isEmpty()
            && all(array).stream().allMatch(value -> call(value).isPresent());
    List<JsonNode> each = isArrayOfCalls ? all(values.get(0)) : values;
    return values.isEmpty()
        ? Optional.empty()
        : Optional.of(
            each.stream()
                .map(value -> call(value).<JsonNode>map(c -> c).orElseGet(() -> comparable(value)))
                .toList());
  }

  private static String unwrapped(String text) {
    Matcher fenced = FENCED.matcher(text);
    String inner = fenced.matches() ? fenced.group(1).strip() : text;
    return PREFIXES.stream()
        .filter(inner::startsWith)
        .findFirst()
        .map(prefix -> inner.substring(prefix.length()))
        .orElse(inner);
  }

  private static List<JsonNode> all(JsonNode array) {
    List<JsonNode> values = new ArrayList<>();
    array.forEach(values::add);
    return values;
  }

  /** The call that a value is, if it is one and has nothing else to say. */
  private static Optional<ObjectNode> call(JsonNode value) {
    if (value.path("function").isObject() && hasOnly(value, "function")) {
      return call(value.path("function"));
    }
    String name = value.path("name").asText();
    if (!value.path("name").isTextual()) {
      return Optional.empty();
    }
    for (String arguments : List.of("arguments", "parameters")) {
      if (value.has(arguments) && hasOnly(value, "name", arguments)) {
        return Optional.of(call(name, value.path(arguments)));
      }
    }
    return value.size() == 1 ? Optional.of(call(name, value.path("arguments"))) : Optional.empty();
  }

  private static boolean hasOnly(JsonNode value, String... names) {
    List<String> known = Arrays.asList(names);
    List<String> others = new ArrayList<>();
    value.fieldNames().forEachRemaining(others::add);
    others.removeIf(name -> known.contains(name) || ABOUT_CALLS.contains(name));
    return others.isEmpty();
  }

  /**
   * @param arguments an object, or a text that spells one; a missing node for none
   */
  private static ObjectNode call(String name, JsonNode arguments) {
    ObjectNode call = JSON.createObjectNode().put("name", name);
    call.set("arguments", comparable(spelled(arguments)));
    return call;
  }

  private static JsonNode spelled(JsonNode arguments) {
    if (arguments.isMissingNode() || arguments.isNull()) {
      return JSON.createObjectNode();
    }
    if (!arguments.isTextual()) {
      return arguments;
    }
    try {
      JsonNode inner = JSON.readTree(arguments.textValue());
      return inner.isObject() ? inner : arguments;
    } catch (JsonProcessingException e) {
      return arguments;
    }
  }

  /** With 1, 1.0 and 1e0 as one; numbers beyond double are infinite. */
  private static JsonNode comparable(JsonNode value) {
    if (value.isNumber() && Double.isFinite(value.doubleValue())) {
      return DecimalNode.valueOf(value.decimalValue().stripTrailingZeros());
    }
    if (value.isArray()) {
      ArrayNode array = JSON.createArrayNode();
      value.forEach(item -> array.add(comparable(item)));
      return array;
    }
    if (value.isObject()) {
      ObjectNode object = JSON.createObjectNode();
      value.fields().forEachRemaining(f -> object.set(f.getKey(), comparable(f.getValue())));
      return object;
    }
    return value;
  }
}
