package org.sparkfinetune.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;

/** One value for each key of a table, and where it was written, if it was. */
final class Values {

  private final KeyTable table;
  private final Map<String, @Nullable Object> values;
  private final Map<String, String> places;
  private final List<String> problems;
  private final Set<String> unread;

  /**
   * @param problems with what was read, for {@link #record} to tell
   * @param unread keys whose values are missing or not allowed; they have their defaults
   */
  private Values(
      KeyTable table,
      Map<String, @Nullable Object> values,
      Map<String, String> places,
      List<String> problems,
      Set<String> unread) {
    this.table = table;
    this.values = values;
    this.places = places;
    this.problems = List.copyOf(problems);
    this.unread = Set.copyOf(unread);
  }

  /**
   * A key as the user spelled it, with what was written for it.
   *
   * @param origin what the user wrote, if this is only what it means
   */
  record Given(String spelling, YamlNode value, Optional<Given> origin) {
    Given(String spelling, YamlNode value) {
      this(spelling, value, Optional.empty());
    }

    /** For messages. */
    private Given shown() {
      return origin.orElse(this);
    }
  }

  /** Says what is wrong with a key that a table does not have; empty where it is taken. */
  interface OtherKeys {
    Optional<String> problem(KeyTable table, Given given);

    /** Nothing but the table's keys is taken. */
    static Optional<String> unknown(KeyTable table, Given given) {
      return Optional.of(
          "unknown key %s; %s".formatted(given.spelling(), table.suggestion(given.spelling())));
    }
  }

  private record Read(Given given, @Nullable Object value) {}

  /**
   * Puts file, command line and defaults together: the command line wins over the file. What is
   * wrong with them is told when a record is made of them.
   */
  static Values resolve(
      KeyTable table, List<Given> file, List<Given> commandLine, OtherKeys others) {
    return resolve(table, "", file, commandLine, others);
  }

  /**
   * Those of a mapping within a value.
   *
   * @throws UserError with all problems, one a line
   */
  static Values ofItem(KeyTable table, YamlNode item) {
    Values values =
        resolve(table, item.place() + ": ", entries(item), List.of(), OtherKeys::unknown);
    refuse(values.problems);
    return values;
  }

  private static void refuse(List<String> problems) {
    if (!problems.isEmpty()) {
      throw new UserError(String.join("\n", problems));
    }
  }

  private static Values resolve(
      KeyTable table, String place, List<Given> file, List<Given> commandLine, OtherKeys others) {
    List<String> problems = new ArrayList<>();
    Set<String> unread = new HashSet<>();
    Map<String, Read> read = read(table, file, others, problems, unread);
    read.putAll(read(table, commandLine, others, problems, unread));
    table.keys().stream()
        .filter(key -> key.isRequired() && !read.containsKey(key.name()))
        .forEach(key -> unread.add(key.name()));
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
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    Map<String, String> places = new HashMap<>();
    for (KeyEntry key : table.keys()) {
      Read entry = read.get(key.name());
      if (entry != null && !entry.given.value().isNull()) {
        places.put(key.name(), entry.given.value().place());
      }
      values.put(
          key.name(),
          entry != null && entry.value != null ? entry.value : key.otherwise().orElse(null));
    }
    follow(table, values);
    return new Values(table, values, places, problems, unread);
  }

  private static Map<String, Read> read(
      KeyTable table,
      List<Given> source,
      OtherKeys others,
      List<String> problems,
      Set<String> unread) {
    Map<String, Read> read = new LinkedHashMap<>();
    for (Given given : flat(table, "", source, problems)) {
      String place = given.value().place();
      Optional<KeyEntry> key = table.find(given.spelling());
      if (key.isEmpty()) {
        others.problem(table, given).ifPresent(why -> problems.add(place + ": " + why));
        continue;
      }
      Object value;
      try {
        value = key.get().read(given.value());
      } catch (UserError e) {
        problems.add(String.valueOf(e.getMessage()));
        unread.add(key.get().name());
        read.putIfAbsent(key.get().name(), new Read(given, null));
        continue;
      }
      Read earlier = read.putIfAbsent(key.get().name(), new Read(given, value));
      if (earlier != null && !Objects.equals(earlier.value, value)) {
        problems.add(
            "%s: %s is %s, but %s was %s at %s; keep one of the two"
                .formatted(
                    place,
                    given.shown().spelling(),
                    given.shown().value(),
                    earlier.given.shown().spelling(),
                    earlier.given.shown().value(),
                    earlier.given.value().place()));
        unread.add(key.get().name());
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
        flat.add(new Given(name, value, given.origin()));
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
    Optional<Object> otherwise = table.find(key).flatMap(KeyEntry::otherwise);
    return places.containsKey(key) && !otherwise.equals(value(key));
  }

  /** The same with relative paths made absolute. */
  Values located(WorkingFolder folder) {
    Map<String, @Nullable Object> located = new LinkedHashMap<>();
    List<String> all = new ArrayList<>(problems);
    for (KeyEntry key : table.keys()) {
      Object value = values.get(key.name());
      try {
        located.put(key.name(), value == null ? null : located(key, value, folder));
      } catch (UserError e) {
        all.add(String.valueOf(e.getMessage()));
        located.put(key.name(), value);
      }
    }
    return new Values(table, located, places, all, unread);
  }

  /** The same with more problems. */
  Values with(List<String> more) {
    List<String> all = Stream.concat(more.stream(), problems.stream()).toList();
    return new Values(table, values, places, all, unread);
  }

  private Object located(KeyEntry key, Object value, WorkingFolder folder) {
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
    return new Values(table, changed, places, problems, unread);
  }

  /**
   * The record that these values make: by its constructor that takes keys and groups alone.
   *
   * @throws UserError with all that is wrong with the values, each by itself and with others, one a
   *     line
   */
  <R extends Record> R record(Class<R> shape) {
    List<String> all = new ArrayList<>(problems);
    Optional<R> made = made(shape, all);
    refuse(all);
    return made.orElseThrow(() -> new Bug("The record " + shape + " cannot be made."));
  }

  /** Empty if the values do not go together; {@code all} then says why. */
  private <R extends Record> Optional<R> made(Class<R> shape, List<String> all) {
    Iterator<KeyEntry> keys = KeyTable.keysOf(shape).iterator();
    List<Class<?>> types = new ArrayList<>();
    List<Object> arguments = new ArrayList<>();
    for (RecordComponent component : shape.getRecordComponents()) {
      Class<?> type = component.getType();
      Optional<Class<? extends Record>> group = KeyTable.group(component);
      if (component.isAnnotationPresent(Key.class)) {
        KeyEntry key = keys.next();
        Object value = values.get(key.name());
        if (value == null && key.isRequired()) {
          value = key.placeholder().orElse(null);
          if (value == null) {
            return Optional.empty();
          }
        }
        arguments.add(key.component(value, type));
      } else if (group.isPresent() && type == Optional.class) {
        arguments.add(group.filter(this::isGiven).flatMap(one -> made(one, all)));
      } else if (group.isPresent()) {
        Optional<? extends Record> part =
            without(shape, group.get()).madeOrDefault(group.get(), all);
        if (part.isEmpty()) {
          return Optional.empty();
        }
        arguments.add(part.get());
      } else {
        continue;
      }
      types.add(type);
    }
    try {
      return Optional.of(
          shape
              .getDeclaredConstructor(types.toArray(Class<?>[]::new))
              .newInstance(arguments.toArray()));
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof UserError refused) {
        String.valueOf(refused.getMessage()).lines().filter(this::isSure).forEach(all::add);
        return Optional.empty();
      }
      throw new Bug("The record " + shape + " refuses its keys.", e);
    } catch (ReflectiveOperationException e) {
      throw new Bug("The record " + shape + " cannot be made.", e);
    }
  }

  /** With a group's own defaults for those of its keys that are the record's. */
  private Values without(Class<? extends Record> shape, Class<? extends Record> group) {
    List<String> own = KeyTable.keysOf(shape).stream().map(KeyEntry::name).toList();
    Map<String, @Nullable Object> changed = new LinkedHashMap<>(values);
    KeyTable.keysOf(group).stream()
        .filter(key -> own.contains(key.name()))
        .forEach(key -> changed.put(key.name(), key.otherwise().orElse(null)));
    return new Values(table, changed, places, problems, unread);
  }

  /** What is beside a refused group is checked with the group's defaults. */
  private <R extends Record> Optional<R> madeOrDefault(Class<R> shape, List<String> all) {
    Map<String, @Nullable Object> defaults = new LinkedHashMap<>();
    table.keys().forEach(key -> defaults.put(key.name(), key.otherwise().orElse(null)));
    follow(table, defaults);
    return made(shape, all)
        .or(
            () ->
                new Values(table, defaults, Map.of(), List.of(), Set.of())
                    .made(shape, new ArrayList<>()));
  }

  /** Fills in defaults that are other keys' values. */
  private static void follow(KeyTable table, Map<String, @Nullable Object> values) {
    for (KeyEntry key : table.keys()) {
      key.follows()
          .filter(other -> values.get(key.name()) == null)
          .ifPresent(other -> values.put(key.name(), values.get(other)));
    }
  }

  /** A problem with a key whose value could not be read may be one with its default. */
  private boolean isSure(String problem) {
    return unread.stream()
        .noneMatch(
            key ->
                Pattern.compile("(?<![\\w.])" + Pattern.quote(key) + "(?!\\w)")
                    .matcher(problem)
                    .find());
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
  private void put(Map<String, @Nullable Object> tree, KeyEntry key) {
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
