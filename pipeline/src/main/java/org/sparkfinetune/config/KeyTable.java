package org.sparkfinetune.config;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.commons.text.similarity.LevenshteinDistance;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;

/**
 * The keys of one command in the order in which help and {@code config.yaml} show them: those of
 * its records, {@link Key} by {@code Key}. The strict reader, {@code --help} and the writer of
 * resolved configurations share it.
 */
public final class KeyTable {

  private static final ClassValue<List<KeyEntry>> ENTRIES =
      new ClassValue<>() {
        @Override
        protected List<KeyEntry> computeValue(Class<?> shape) {
          return Arrays.stream(shape.getRecordComponents())
              .filter(component -> component.isAnnotationPresent(Key.class))
              .map(KeyEntry::of)
              .toList();
        }
      };

  /** An item of the key sources; before the table that has this key. */
  static final KeyTable SOURCE = new KeyTable("a source", Source.class);

  public static final KeyTable TRAIN =
      new KeyTable("train", TrainConfig.class, TrainConfig.Accepted.class);
  public static final KeyTable PREPARE = new KeyTable("prepare", PrepareConfig.class);
  public static final KeyTable GENERATE =
      new KeyTable("generate", ModelChoice.class, GenerateConfig.Keys.class, Sampling.class);
  public static final KeyTable EVALUATE = new KeyTable("evaluate", EvaluateConfig.class);
  public static final KeyTable MERGE = new KeyTable("merge", MergeConfig.class);

  private final String command;
  private final List<Class<? extends Record>> shapes;
  private List<KeyEntry> keys = List.of();

  @SafeVarargs
  private KeyTable(String command, Class<? extends Record>... shapes) {
    this.command = command;
    this.shapes = List.of(shapes);
  }

  public String command() {
    return command;
  }

  /** False for the keys within a value of a key. */
  boolean isCommand() {
    return this != SOURCE;
  }

  /** Collected when first asked for, so that a command loads the records of its own keys alone. */
  public synchronized List<KeyEntry> keys() {
    if (keys.isEmpty()) {
      List<KeyEntry> all = new ArrayList<>();
      shapes.forEach(shape -> addAll(shape, false, all));
      keys = Collections.unmodifiableList(all);
    }
    return keys;
  }

  /**
   * What records check themselves with.
   *
   * @param values of the components that are keys, in their order
   * @throws UserError that names each such key, its value and what is allowed
   */
  static void check(Class<? extends Record> shape, Object... values) {
    List<KeyEntry> entries = keysOf(shape);
    if (entries.size() != values.length) {
      throw new Bug("%s has %s keys, not %s.".formatted(shape, entries.size(), values.length));
    }
    Problems problems = new Problems();
    for (int i = 0; i < values.length; i++) {
      KeyEntry entry = entries.get(i);
      Object value = values[i];
      problems.addFrom(() -> entry.check(value));
    }
    problems.refuse();
  }

  /** A record's keys with their values as YAML has them; without those that have none. */
  static Map<String, Object> plain(Record record) {
    Map<String, Object> plain = new LinkedHashMap<>();
    for (RecordComponent component : record.getClass().getRecordComponents()) {
      Object value = valueOf(component, record);
      if (component.isAnnotationPresent(Key.class)) {
        KeyEntry key = KeyEntry.of(component);
        Object written = key.plain(KeyEntry.held(value));
        if (written != null) {
          plain.put(key.name(), written);
        }
      } else if (value instanceof Record group) {
        plain.putAll(plain(group));
      }
    }
    return plain;
  }

  private static Object valueOf(RecordComponent component, Record record) {
    try {
      return component.getAccessor().invoke(record);
    } catch (ReflectiveOperationException e) {
      throw new Bug("The component " + component + " cannot be read.", e);
    }
  }

  /** The keys among the components of a record, in their order. */
  static List<KeyEntry> keysOf(Class<? extends Record> shape) {
    return ENTRIES.get(shape);
  }

  Optional<KeyEntry> find(String spelling) {
    return find(spelling, keys());
  }

  private static Optional<KeyEntry> find(String spelling, List<KeyEntry> keys) {
    return keys.stream().filter(key -> key.spellings().anyMatch(spelling::equals)).findFirst();
  }

  /** True where {@code name} is a mapping whose entries are keys of their own. */
  boolean isGroup(String name) {
    return keys().stream().anyMatch(key -> key.name().startsWith(name + "."));
  }

  String groupMembers(String name) {
    return keys().stream()
        .map(KeyEntry::name)
        .filter(key -> key.startsWith(name + "."))
        .map(key -> key.substring(name.length() + 1))
        .collect(Collectors.joining(", "));
  }

  /** What helps to find the key that was meant. */
  String suggestion(String spelling) {
    int near = Math.max(2, spelling.length() / 3);
    LevenshteinDistance distance = LevenshteinDistance.getDefaultInstance();
    return keys().stream()
        .flatMap(KeyEntry::spellings)
        .filter(known -> distance.apply(spelling, known) <= near)
        .min(Comparator.comparingInt(known -> distance.apply(spelling, known)))
        .map(known -> "did you mean " + known + "?")
        .orElseGet(
            () ->
                isCommand()
                    ? "%s --help lists all keys".formatted(command)
                    : "the keys of %s are: %s"
                        .formatted(
                            command,
                            keys().stream().map(KeyEntry::name).collect(Collectors.joining(", "))));
  }

  private static void addAll(Class<?> shape, boolean optional, List<KeyEntry> keys) {
    for (RecordComponent component : shape.getRecordComponents()) {
      if (component.isAnnotationPresent(Key.class)) {
        add(KeyEntry.of(component, optional), keys);
      } else {
        boolean isOptional = component.getType() == Optional.class;
        group(component).ifPresent(group -> addAll(group, isOptional, keys));
      }
    }
  }

  private static void add(KeyEntry entry, List<KeyEntry> keys) {
    Optional<KeyEntry> ofGroup =
        keys.stream().filter(k -> k.name().equals(entry.name())).findFirst();
    if (ofGroup.isPresent()) {
      keys.set(keys.indexOf(ofGroup.get()), entry);
    } else {
      int end = keys.size();
      keys.add(find(entry.after(), keys).map(k -> keys.indexOf(k) + 1).orElse(end), entry);
    }
  }

  /** The record of keys that a component is, or may be. */
  @SuppressWarnings("unchecked") // isRecord() was asked
  static Optional<Class<? extends Record>> group(RecordComponent component) {
    Object type =
        component.getGenericType() instanceof ParameterizedType optional
            ? optional.getActualTypeArguments()[0]
            : component.getType();
    return !component.isAnnotationPresent(Key.class)
            && type instanceof Class<?> shape
            && shape.isRecord()
        ? Optional.of((Class<? extends Record>) shape)
        : Optional.empty();
  }

  /** An alternative with the word by which YAML files name it. */
  public interface Choice {

    /** The word in YAML files, messages and reports: a Jackson property, or the lower-case name. */
    default String text() {
      Enum<?> constant = (Enum<?>) this;
      try {
        JsonProperty word =
            constant
                .getDeclaringClass()
                .getField(constant.name())
                .getAnnotation(JsonProperty.class);
        return word == null ? constant.name().toLowerCase(Locale.ROOT) : word.value();
      } catch (NoSuchFieldException e) {
        throw new Bug("An enum has no field for " + constant + ".", e);
      }
    }
  }
}
