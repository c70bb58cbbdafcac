package org.sparkfinetune.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.LinkedHashMap;
import java.util.Map;
import org.sparkfinetune.errors.Bug;

/** What was written in YAML as JSON; a scalar as it is. */
final class JsonText {
  private JsonText() {}

  static String of(Raw raw) {
    if (raw instanceof Raw.Scalar scalar) {
      return scalar.text();
    }
    try {
      return new ObjectMapper().writeValueAsString(plain(raw));
    } catch (JsonProcessingException e) {
      throw new Bug("Text could not be written as JSON.", e);
    }
  }

  private static Object plain(Raw raw) {
    if (raw instanceof Raw.Items items) {
      return items.items().stream().map(JsonText::plain).toList();
    }
    if (raw instanceof Raw.Fields fields) {
      Map<String, Object> map = new LinkedHashMap<>();
      fields.fields().forEach((name, value) -> map.put(name, plain(value)));
      return map;
    }
    return raw instanceof Raw.Scalar scalar ? scalar.text() : "";
  }
}
