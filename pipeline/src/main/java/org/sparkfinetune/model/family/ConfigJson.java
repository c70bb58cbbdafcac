package org.sparkfinetune.model.family;

import com.fasterxml.jackson.databind.JsonNode;
import org.sparkfinetune.errors.UserError;

/** Values of a {@code config.json}, and what is said of one that cannot be used. */
record ConfigJson(JsonNode json, String source) {

  /** A positive whole number that has to be there. */
  int positive(String key) {
    JsonNode value = json.path(key);
    require(
        value.isInt() && value.asInt() > 0,
        key,
        "a positive whole number, but it is "
            + (value.isMissingNode() ? "missing" : value.toString()));
    return value.asInt();
  }

  /** The same; {@code otherwise} where it is missing or null. */
  int positive(String key, int otherwise) {
    return json.hasNonNull(key) ? positive(key) : otherwise;
  }

  /** A positive number; {@code otherwise} where it is missing or null. */
  double factor(String key, double otherwise) {
    if (!json.hasNonNull(key)) {
      return otherwise;
    }
    double value = json.path(key).asDouble(Double.NaN);
    require(value > 0, key, "a positive number");
    return value;
  }

  boolean flag(String key, boolean otherwise) {
    return json.hasNonNull(key) ? json.path(key).asBoolean(false) : otherwise;
  }

  /** A positive number of an object within. */
  double positive(String parent, JsonNode node, String key) {
    double value = node.path(key).asDouble(Double.NaN);
    require(value > 0, parent + "." + key, "a positive number, but it is " + node.path(key));
    return value;
  }

  void require(boolean condition, String key, String allowed) {
    if (!condition) {
      throw new UserError(
          "%s: %s has to be %s (the file says %s)."
              .formatted(source, key, allowed, json.path(key)));
    }
  }
}
