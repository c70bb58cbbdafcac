package org.sparkfinetune.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.sparkfinetune.errors.Bug;

/** Writes all keys with their resolved values, so that reading the text again gives the same. */
final class YamlWriter {

  private YamlWriter() {}

  static String write(KeyTable table, Values values) {
    Map<String, Object> tree = new LinkedHashMap<>();
    for (Key<?> key : table.keys()) {
      put(tree, key, values);
    }
    YAMLFactory factory =
        YAMLFactory.builder()
            .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
            .disable(YAMLGenerator.Feature.SPLIT_LINES)
            .build();
    try {
      return new ObjectMapper(factory).writeValueAsString(tree);
    } catch (JsonProcessingException e) {
      throw new Bug("A resolved configuration could not be written as YAML.", e);
    }
  }

  @SuppressWarnings("unchecked") // what is under a group's name was put there by this method
  private static <T> void put(Map<String, Object> tree, Key<T> key, Values values) {
    Map<String, Object> level = tree;
    String name = key.name();
    for (int dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.')) {
      level =
          (Map<String, Object>)
              level.computeIfAbsent(name.substring(0, dot), group -> new LinkedHashMap<>());
      name = name.substring(dot + 1);
    }
    level.put(name, key.plain(values.of(key)).orElse(null));
  }
}
