package org.sparkfinetune.data.template;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.data.jinja.Text;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.UserError;

/**
 * JSON as values of a template whose texts, keys included, are followed into what the template
 * writes.
 */
final class TracedJson {
  private static final ObjectMapper JSON = new ObjectMapper();

  private TracedJson() {}

  /**
   * @param message index of the message that it belongs to, or -1
   */
  static Text text(String text, int message) {
    return Text.traced(text, message + 1);
  }

  /** The message that {@link #text} was given, from the engine's number of a source. */
  static int message(int source) {
    return source - 1;
  }

  static @Nullable Object of(String json, int message) {
    try {
      return of(JSON.readTree(json), message);
    } catch (JsonProcessingException e) {
      throw new UserError(
          "Tools, documents, or arguments of a call, are no JSON: %s. Let prepare write the data set."
              .formatted(ParserWords.of(e.getOriginalMessage())),
          e);
    }
  }

  private static @Nullable Object of(JsonNode node, int message) {
    if (node.isObject()) {
      Map<Object, @Nullable Object> map = new LinkedHashMap<>();
      node.fields()
          .forEachRemaining(
              field -> map.put(text(field.getKey(), message), of(field.getValue(), message)));
      return map;
    }
    if (node.isArray()) {
      List<@Nullable Object> list = new ArrayList<>(node.size());
      node.forEach(item -> list.add(of(item, message)));
      return list;
    }
    if (node.isTextual()) {
      return text(node.textValue(), message);
    }
    if (node.isBoolean()) {
      return node.booleanValue();
    }
    if (node.isIntegralNumber()) {
      return node.bigIntegerValue();
    }
    return node.isNumber() ? (Object) node.doubleValue() : null;
  }
}
