package org.sparkfinetune.config;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.sparkfinetune.errors.UserError;

/**
 * The keys of one command in the order in which help and {@code config.yaml} show them: the one
 * place that the strict reader, {@code --help} and the writer of resolved configurations share.
 */
public record KeyTable(String command, List<Key<?>> keys) {

  public KeyTable {
    keys = List.copyOf(keys);
  }

  /** The keys of {@code train}. */
  public static KeyTable train() {
    return TrainKeys.TABLE;
  }

  /** The keys of {@code prepare}. */
  public static KeyTable prepare() {
    return PrepareKeys.TABLE;
  }

  /** The keys of {@code generate}. */
  public static KeyTable generate() {
    return GenerateKeys.TABLE;
  }

  /** The keys of {@code evaluate}. */
  public static KeyTable evaluate() {
    return EvaluateKeys.TABLE;
  }

  /** The keys of {@code merge}. */
  public static KeyTable merge() {
    return MergeKeys.TABLE;
  }

  Optional<Key<?>> find(String spelling) {
    return keys.stream()
        .filter(key -> key.spellings().anyMatch(spelling::equals))
        .<Key<?>>map(key -> key)
        .findFirst();
  }

  /** The key of that spelling, or an error that helps to find the one that was meant. */
  Key<?> key(String spelling, Place place) {
    return find(spelling)
        .orElseThrow(
            () ->
                new UserError(
                    "%s: unknown key %s; %s".formatted(place, spelling, suggestion(spelling))));
  }

  /** True where {@code name} is a mapping whose entries are keys of their own. */
  boolean isGroup(String name) {
    return keys.stream().anyMatch(key -> key.name().startsWith(name + "."));
  }

  String groupMembers(String name) {
    return keys.stream()
        .map(Key::name)
        .filter(key -> key.startsWith(name + "."))
        .map(key -> key.substring(name.length() + 1))
        .collect(Collectors.joining(", "));
  }

  private String suggestion(String spelling) {
    int near = Math.max(2, spelling.length() / 3);
    return keys.stream()
        .flatMap(Key::spellings)
        .filter(known -> EditDistance.between(spelling, known) <= near)
        .min(Comparator.comparingInt(known -> EditDistance.between(spelling, known)))
        .map(known -> "did you mean " + known + "?")
        .orElseGet(() -> "the keys of " + command + " are: " + names());
  }

  private String names() {
    return keys.stream().map(Key::name).collect(Collectors.joining(", "));
  }
}
