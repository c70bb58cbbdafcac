package org.sparkfinetune.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.Bug;

/**
 * A value as it was written, before its key says what it means. At most one of the first three is
 * there. A scalar is its text, quoted or not: the reference's files quote booleans, and YAML 1.1
 * takes {@code 2e-4} for a string and {@code no} for a boolean.
 *
 * @param place {@code file:line} or "command line"
 */
record YamlNode(
    @Nullable String text,
    @Nullable List<YamlNode> items,
    @Nullable Map<String, YamlNode> fields,
    String place) {

  static YamlNode ofText(String text, String place) {
    return new YamlNode(text, null, null, place);
  }

  static YamlNode ofTexts(List<String> texts, String place) {
    return new YamlNode(
        null, texts.stream().map(text -> ofText(text, place)).toList(), null, place);
  }

  YamlNode at(String other) {
    return new YamlNode(text, items, fields, other);
  }

  boolean isNull() {
    return text == null && items == null && fields == null;
  }

  Optional<String> scalar() {
    return Optional.ofNullable(text);
  }

  /** The items of a list of scalars, or the one scalar that there is. */
  Optional<List<String>> scalars() {
    if (items == null) {
      return scalar().map(List::of);
    }
    List<String> texts = items.stream().flatMap(item -> item.scalar().stream()).toList();
    return texts.size() == items.size() ? Optional.of(texts) : Optional.empty();
  }

  /** A mapping of scalars. */
  Optional<Map<String, String>> scalarFields() {
    if (fields == null) {
      return Optional.empty();
    }
    Map<String, String> map = new LinkedHashMap<>();
    fields.forEach((name, value) -> value.scalar().ifPresent(text -> map.put(name, text)));
    return map.size() == fields.size() ? Optional.of(map) : Optional.empty();
  }

  /** A scalar as it is, all else as JSON with texts. */
  String json() {
    try {
      return text != null ? text : new ObjectMapper().writeValueAsString(plain());
    } catch (JsonProcessingException e) {
      throw new Bug("Text could not be written as JSON.", e);
    }
  }

  private Object plain() {
    if (items != null) {
      return items.stream().map(YamlNode::plain).toList();
    }
    if (fields != null) {
      Map<String, Object> map = new LinkedHashMap<>();
      fields.forEach((name, value) -> map.put(name, value.plain()));
      return map;
    }
    return Objects.requireNonNullElse(text, "");
  }

  /** For messages. */
  @Override
  public String toString() {
    if (items != null) {
      return items.stream().map(YamlNode::toString).collect(Collectors.joining(", ", "[", "]"));
    }
    if (fields != null) {
      return fields.entrySet().stream()
          .map(field -> field.getKey() + ": " + field.getValue())
          .collect(Collectors.joining(", ", "{", "}"));
    }
    return text == null ? "empty" : text.isBlank() ? '"' + text + '"' : text;
  }
}
