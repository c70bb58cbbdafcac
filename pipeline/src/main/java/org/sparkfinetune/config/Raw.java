package org.sparkfinetune.config;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A value as it was written, before its key says what it means. A scalar is its text, quoted or
 * not: the reference's files quote booleans, and YAML 1.1 takes {@code 2e-4} for a string and
 * {@code no} for a boolean.
 */
sealed interface Raw {

  Place place();

  record Nothing(Place place) implements Raw {
    @Override
    public String toString() {
      return "empty";
    }
  }

  record Scalar(String text, Place place) implements Raw {
    @Override
    public String toString() {
      return text.isBlank() ? '"' + text + '"' : text;
    }
  }

  record Items(List<Raw> items, Place place) implements Raw {
    @Override
    public String toString() {
      return items.stream().map(Raw::toString).collect(Collectors.joining(", ", "[", "]"));
    }
  }

  record Fields(Map<String, Raw> fields, Place place) implements Raw {
    @Override
    public String toString() {
      return fields.entrySet().stream()
          .map(field -> field.getKey() + ": " + field.getValue())
          .collect(Collectors.joining(", ", "{", "}"));
    }
  }
}
