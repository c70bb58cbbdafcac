package org.sparkfinetune.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;

/** One value for each key of a table, and where it was written, if it was. */
final class Values {

  private final KeyTable table;
  private final Map<String, @Nullable Object> values;
  private final Map<String, String> places;

  private Values(KeyTable table, Map<String, @Nullable Object> values, Map<String, String> places) {
    this.table = table;
    this.values = values;
    this.places = places;
  }

  /** A key as the user spelled it, with what was written for it. */
  record Given(String spelling, YamlNode value) {}

  private record Read(Given given, @Nullable Object value) {}

  /**
   * Puts file, command line and defaults together: the command line wins over the file.
   *
   * @throws UserError with all problems, one a line
   */
  static Values resolve(KeyTable table, List<Given> file, List<Given> commandLine) {
    return resolve(table, "", file, commandLine);
  }

  /** Those of a mapping within a value. */
  static Values ofItem(KeyTable table, YamlNode item) {
    return resolve(table, item.place() + ": ", entries(item), List.of());
  }

  private static Values resolve(
      KeyTable table, String place, List<Given> file, List<Given> commandLine) {
    List<String> problems = new ArrayList<>();
    Map<String, Read> read = read(table, file, problems);
    read.putAll(read(table, commandLine, problems));
    String missing =
        table.keys().stream()
            .filter(key -> key.isRequired() && !read.containsKey(key.name()))
            .map(key -> "\n  %s%s  %s".formatted(table.isCommand() ? "--" : "", key, key.doc()))
            .collect(Collectors.joining());
    if (!missing.isEmpty()) {
      problems.add(
          "%s%s needs these keys%s:%s"
              .formatted(
                  place,
                  table.command(),
                  table.isCommand() ? ", in the YAML file or on the command line" : "",
                  missing));
    }
    if (!problems.isEmpty()) {
      throw new UserError(String.join("\n", problems));
    }
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    Map<String, String> places = new HashMap<>();
    for (KeyTable.Entry key : table.keys()) {
      Read entry = read.get(key.name());
      if (entry != null && !entry.given.value().isNull()) {
        places.put(key.name(), entry.given.value().place());
      }
      values.put(
          key.name(),
          entry != null && entry.value != null ? entry.value : key.otherwise().orElse(null));
    }
    for (KeyTable.Entry key : table.keys()) {
      key.follows()
          .filter(other -> values.get(key.name()) == null)
          .ifPresent(other -> values.put(key.name(), values.get(other)));
    }
    return new Values(table, values, places);
  }

  private static Map<String, Read> read(KeyTable table, List<Given> source, List<String> problems) {
    Map<String, Read> read = new LinkedHashMap<>();
    for (Given given : flat(table, "", source, problems)) {
      String place = given.value().place();
      Optional<KeyTable.Entry> key = table.find(given.spelling());
      if (key.isEmpty()) {
        problems.add(
            "%s: %s"
                .formatted(
                    place,
                    (table == KeyTable.TRAIN
                            ? OtherRecipeKeys.refusal(given)
                            : Optional.<String>empty())
                        .orElseGet(
                            () ->
                                "unknown key %s; %s"
                                    .formatted(
                                        given.spelling(), table.suggestion(given.spelling())))));
        continue;
      }
      Object value;
      try {
        value = key.get().read(given.value());
      } catch (UserError e) {
        problems.add(String.valueOf(e.getMessage()));
        read.putIfAbsent(key.get().name(), new Read(given, null));
        continue;
      }
      Read earlier = read.putIfAbsent(key.get().name(), new Read(given, value));
      if (earlier != null && !Objects.equals(earlier.value, value)) {
        problems.add(
            "%s: %s is %s, but %s was %s at %s; keep one of the two"
                .formatted(
                    place,
                    given.spelling(),
                    given.value(),
                    earlier.given.spelling(),
                    earlier.given.value(),
                    earlier.given.value().place()));
      }
    }
    return read;
  }

  /** The entries of mappings as keys with dots. */
  private static List<Given> flat(
      KeyTable table, String prefix, List<Given> source, List<String> problems) {
    List<Given> flat = new ArrayList<>();
    for (Given given : source) {
      String name = prefix + given.spelling();
      YamlNode value = given.value();
      if (!table.isGroup(name)) {
        flat.add(new Given(name, value));
      } else if (value.fields() != null) {
        flat.addAll(flat(table, name + ".", entries(value), problems));
      } else if (!value.isNull()) {
        problems.add(
            "%s: %s is %s; allowed: a mapping with the keys %s"
                .formatted(value.place(), name, value, table.groupMembers(name)));
      }
    }
    return flat;
  }

  /** The entries of a mapping. */
  static List<Given> entries(YamlNode mapping) {
    List<Given> entries = new ArrayList<>();
    if (mapping.fields() != null) {
      mapping.fields().forEach((name, value) -> entries.add(new Given(name, value)));
    }
    return entries;
  }

  Optional<Object> value(String key) {
    return Optional.ofNullable(values.get(key));
  }

  /** Where the user wrote it, to begin a message with; blank for defaults. */
  String where(String key) {
    return places.containsKey(key) ? places.get(key) + ": " : "";
  }

  /** True where the user wrote something else than the default. */
  boolean isChanged(String key) {
    Optional<Object> otherwise = table.find(key).flatMap(KeyTable.Entry::otherwise);
    return places.containsKey(key) && !otherwise.equals(value(key));
  }

  /** The same with relative paths made absolute. */
  Values located(WorkingFolder folder) {
    Map<String, @Nullable Object> located = new LinkedHashMap<>();
    for (KeyTable.Entry key : table.keys()) {
      Object value = values.get(key.name());
      located.put(key.name(), value == null ? null : located(key, value, folder));
    }
    return new Values(table, located, places);
  }

  private Object located(KeyTable.Entry key, Object value, WorkingFolder folder) {
    try {
      return key.located(value, folder);
    } catch (IllegalArgumentException e) {
      throw new UserError(
          "%s%s is %s, which is no path: %s. A URI has a whole path, as file:/folder/file; a relative path with a colon in its first name begins with ./"
              .formatted(where(key.name()), key, key.plain(value), e.getMessage()),
          e);
    }
  }

  /** The same with a default that follows from other values. */
  Values with(String key, Object value) {
    Map<String, @Nullable Object> changed = new LinkedHashMap<>(values);
    changed.put(key, value);
    return new Values(table, changed, places);
  }

  /** The record that these values make: by its constructor that takes keys and groups alone. */
  <R extends Record> R record(Class<R> shape) {
    Iterator<KeyTable.Entry> keys = KeyTable.keysOf(shape).iterator();
    List<Class<?>> types = new ArrayList<>();
    List<Object> arguments = new ArrayList<>();
    for (RecordComponent component : shape.getRecordComponents()) {
      Class<?> type = component.getType();
      Optional<Class<? extends Record>> group = KeyTable.group(component);
      if (component.isAnnotationPresent(Key.class)) {
        KeyTable.Entry key = keys.next();
        arguments.add(key.component(values.get(key.name()), type));
      } else if (group.isPresent()) {
        arguments.add(
            type == Optional.class
                ? group.filter(this::isGiven).map(this::record)
                : without(shape, group.get()).record(group.get()));
      } else {
        continue;
      }
      types.add(type);
    }
    try {
      return shape
          .getDeclaredConstructor(types.toArray(Class<?>[]::new))
          .newInstance(arguments.toArray());
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof UserError refused) {
        throw refused;
      }
      throw new Bug("The record " + shape + " refuses its keys.", e);
    } catch (ReflectiveOperationException e) {
      throw new Bug("The record " + shape + " cannot be made.", e);
    }
  }

  /** With a group's own defaults for those of its keys that are the record's. */
  private Values without(Class<? extends Record> shape, Class<? extends Record> group) {
    List<String> own = KeyTable.keysOf(shape).stream().map(KeyTable.Entry::name).toList();
    Map<String, @Nullable Object> changed = new LinkedHashMap<>(values);
    KeyTable.keysOf(group).stream()
        .filter(key -> own.contains(key.name()))
        .forEach(key -> changed.put(key.name(), key.otherwise().orElse(null)));
    return new Values(table, changed, places);
  }

  private boolean isGiven(Class<? extends Record> group) {
    return KeyTable.keysOf(group).stream()
        .allMatch(key -> !key.isRequired() || values.get(key.name()) != null);
  }

  /** All keys with their values, which read again give the same. */
  String yaml() {
    Map<String, @Nullable Object> tree = new LinkedHashMap<>();
    table.keys().forEach(key -> put(tree, key));
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
  private void put(Map<String, @Nullable Object> tree, KeyTable.Entry key) {
    Map<String, @Nullable Object> level = tree;
    String name = key.name();
    for (int dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.')) {
      level =
          (Map<String, @Nullable Object>)
              level.computeIfAbsent(name.substring(0, dot), group -> new LinkedHashMap<>());
      name = name.substring(dot + 1);
    }
    level.put(name, key.plain(values.get(key.name())));
  }
}
