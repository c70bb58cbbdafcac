package org.sparkfinetune.data.jinja;

import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** What a call passes. */
record Arguments(List<Object> positional, Map<String, Object> named) {
  static final Arguments NONE = new Arguments(List.of(), Map.of());

  /** Stands for a parameter that got no value. */
  private static final Object MISSING = new Object();

  static Arguments of(Object... positional) {
    return new Arguments(List.of(positional), Map.of());
  }

  /** The values of a function's parameters. */
  record Bound(Object[] values) {
    boolean has(int index) {
      return values[index] != MISSING;
    }

    /** A required parameter. */
    Object get(int index) {
      return values[index];
    }

    Object or(int index, Object otherwise) {
      return has(index) ? values[index] : otherwise;
    }

    boolean truth(int index, boolean otherwise) {
      return has(index) ? Operators.truth(values[index]) : otherwise;
    }

    Text text(int index, String otherwise) {
      return has(index) ? Printing.str(values[index]) : Text.of(otherwise);
    }

    int integer(int index, int otherwise) {
      return has(index) ? Numbers.clamped(values[index]) : otherwise;
    }
  }

  /**
   * @param required how many of the names must have a value
   * @throws TemplateError as Python does for too many, missing or unknown arguments
   */
  Bound bind(String function, int required, String... names) {
    if (positional.size() > names.length) {
      throw TemplateError.type(
          "%s() takes %s positional arguments but %s were given"
              .formatted(function, names.length, positional.size()));
    }
    Object[] values = new Object[names.length];
    Arrays.fill(values, MISSING);
    for (int i = 0; i < positional.size(); i++) {
      values[i] = positional.get(i);
    }
    named.forEach((name, value) -> bindNamed(function, names, values, name, value));
    for (int i = 0; i < required; i++) {
      if (values[i] == MISSING) {
        throw TemplateError.type(
            "%s() missing a required argument: '%s'".formatted(function, names[i]));
      }
    }
    return new Bound(values);
  }

  private static void bindNamed(
      String function, String[] names, Object[] values, String name, Object value) {
    int index = Arrays.asList(names).indexOf(name);
    if (index < 0) {
      throw TemplateError.type(
          "%s() got an unexpected keyword argument '%s'".formatted(function, name));
    }
    if (values[index] != MISSING) {
      throw TemplateError.type(
          "%s() got multiple values for argument '%s'".formatted(function, name));
    }
    values[index] = value;
  }
}
