package org.sparkfinetune.spark.ml;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;
import org.apache.spark.ml.util.Identifiable;
import org.sparkfinetune.config.KeyEntry;
import org.sparkfinetune.config.KeyTable;
import org.sparkfinetune.errors.UserError;

/**
 * The keys of a command as {@code Param}s of texts, as they would stand behind {@code --key}: what
 * is allowed is checked where the command checks it.
 */
final class KeyParams {
  private final Map<String, Param<String>> byKey = new LinkedHashMap<>();

  /**
   * @param owner has its uid already
   * @param without keys that {@code owner} knows itself
   */
  KeyParams(Identifiable owner, KeyTable table, List<String> without) {
    for (KeyEntry entry : table.keys()) {
      if (!without.contains(entry.name())) {
        byKey.put(entry.name(), new Param<>(owner, entry.name(), entry.doc()));
      }
    }
  }

  Param<String> param(String key) {
    return Optional.ofNullable(byKey.get(key))
        .orElseThrow(
            () ->
                new UserError(
                    "There is no key %s; allowed are %s."
                        .formatted(key, String.join(", ", byKey.keySet()))));
  }

  /** With those that the owner has besides. */
  Param<?>[] and(Param<?>... own) {
    return Stream.concat(Stream.of(own), byKey.values().stream()).toArray(Param<?>[]::new);
  }

  /** {@code --key value} for each that is set. */
  List<String> arguments(Params owner) {
    List<String> words = new ArrayList<>();
    byKey.forEach(
        (key, param) -> {
          if (owner.isSet(param)) {
            words.addAll(List.of("--" + key, owner.getOrDefault(param)));
          }
        });
    return words;
  }

  /** As YAML has a value; numbers with a point whatever the locale. */
  static String text(Object value) {
    return value instanceof Double || value instanceof Float
        ? String.format(Locale.ROOT, "%s", value)
        : String.valueOf(value);
  }
}
