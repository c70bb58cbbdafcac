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
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.commons.text.similarity.LevenshteinDistance;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;

/**
 * The keys of one command in the order in which help and {@code config.yaml} show them: those of
 * its records, {@link Key} by {@code Key}. The strict reader, {@code --help} and the writer of
 * resolved configurations share it.
 */
public final class KeyTable {

  private static final int MAX_SHOWN = 120;

  private static final ClassValue<List<Entry>> ENTRIES =
      new ClassValue<>() {
        @Override
        protected List<Entry> computeValue(Class<?> shape) {
          return Arrays.stream(shape.getRecordComponents())
              .filter(component -> component.isAnnotationPresent(Key.class))
              .map(Entry::of)
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
  private List<Entry> keys = List.of();

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
  public synchronized List<Entry> keys() {
    if (keys.isEmpty()) {
      List<Entry> all = new ArrayList<>();
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
    List<Entry> entries = keysOf(shape);
    if (entries.size() != values.length) {
      throw new Bug("%s has %s keys, not %s.".formatted(shape, entries.size(), values.length));
    }
    Problems problems = new Problems();
    for (int i = 0; i < values.length; i++) {
      KeyTable.Entry entry = entries.get(i);
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
        Entry key = Entry.of(component);
        Object written = key.plain(Entry.held(value));
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
  static List<Entry> keysOf(Class<? extends Record> shape) {
    return ENTRIES.get(shape);
  }

  Optional<Entry> find(String spelling) {
    return find(spelling, keys());
  }

  private static Optional<Entry> find(String spelling, List<Entry> keys) {
    return keys.stream().filter(key -> key.spellings().anyMatch(spelling::equals)).findFirst();
  }

  /** True where {@code name} is a mapping whose entries are keys of their own. */
  boolean isGroup(String name) {
    return keys().stream().anyMatch(key -> key.name().startsWith(name + "."));
  }

  String groupMembers(String name) {
    return keys().stream()
        .map(Entry::name)
        .filter(key -> key.startsWith(name + "."))
        .map(key -> key.substring(name.length() + 1))
        .collect(Collectors.joining(", "));
  }

  /** What helps to find the key that was meant. */
  String suggestion(String spelling) {
    int near = Math.max(2, spelling.length() / 3);
    LevenshteinDistance distance = LevenshteinDistance.getDefaultInstance();
    return keys().stream()
        .flatMap(Entry::spellings)
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
                            keys().stream().map(Entry::name).collect(Collectors.joining(", "))));
  }

  private static void addAll(Class<?> shape, boolean optional, List<Entry> keys) {
    for (RecordComponent component : shape.getRecordComponents()) {
      Key key = component.getAnnotation(Key.class);
      if (key != null) {
        Entry entry = Entry.of(component);
        add(new Entry(entry.name, key, entry.type, optional || entry.optional), keys);
      } else {
        boolean isOptional = component.getType() == Optional.class;
        group(component).ifPresent(group -> addAll(group, isOptional, keys));
      }
    }
  }

  private static void add(Entry entry, List<Entry> keys) {
    Optional<Entry> ofGroup = keys.stream().filter(k -> k.name.equals(entry.name)).findFirst();
    if (ofGroup.isPresent()) {
      keys.set(keys.indexOf(ofGroup.get()), entry);
    } else {
      int end = keys.size();
      keys.add(find(entry.key.after(), keys).map(k -> keys.indexOf(k) + 1).orElse(end), entry);
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

  /**
   * One key: its spellings, type, default and one line of help. A name with a dot is a key inside a
   * mapping.
   */
  public static final class Entry {
    private final String name;
    private final Key key;
    private final KeyType<Object> type;
    private final boolean optional;
    private final Optional<Object> otherwise;

    @SuppressWarnings("unchecked") // a value was read by its own key
    private Entry(String name, Key key, KeyType<?> type, boolean optional) {
      this.name = name;
      this.key = key;
      this.type = (KeyType<Object>) type;
      this.optional = optional;
      otherwise =
          key.otherwise().equals(Key.EMPTY)
              ? Optional.of(List.of())
              : Optional.of(key.otherwise())
                  .filter(text -> !text.isEmpty() && follows().isEmpty())
                  .flatMap(text -> this.type.reader().apply(YamlNode.ofText(text, "")));
    }

    static Entry of(RecordComponent component) {
      Key key = component.getAnnotation(Key.class);
      String snake = component.getName().replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
      return new Entry(
          key.name().isEmpty() ? snake : key.name(),
          key,
          KeyType.of(component, key),
          component.getType().getSimpleName().startsWith("Optional"));
    }

    /** The spelling that we write. */
    public String name() {
      return name;
    }

    /** One line for {@code --help}. */
    public String doc() {
      return key.doc();
    }

    /** What values there are, in words. */
    public String allowed() {
      return type.allowed();
    }

    /** {@code required}, {@code none}, or the default as one would write it. */
    public String defaultText() {
      if (otherwise.isEmpty()) {
        return follows().orElse(optional ? "none" : "required");
      }
      if (key.otherwise().equals(Key.EMPTY)) {
        return "none";
      }
      Object plain = type.writer().apply(otherwise.get());
      return plain instanceof List<?> list
          ? list.stream().map(String::valueOf).collect(Collectors.joining(","))
          : plain.toString();
    }

    /** True where the command line takes the key alone for {@code true}. */
    boolean isFlag() {
      return type.arity() == KeyType.Arity.FLAG;
    }

    /** True where the command line takes brackets and braces as they are. */
    boolean isExpression() {
      return key.meaning() == Key.Meaning.EXPRESSION;
    }

    /** True where the command line takes several values after the key. */
    boolean takesMany() {
      return type.arity() == KeyType.Arity.MANY;
    }

    boolean isRequired() {
      return !optional && key.otherwise().isEmpty();
    }

    Stream<String> spellings() {
      return Stream.concat(Stream.of(name), Arrays.stream(key.alias()));
    }

    /** The default that is there whatever the other keys say. */
    Optional<Object> otherwise() {
      return otherwise;
    }

    /** Some value for a required text, where the user gave none. */
    Optional<Object> placeholder() {
      return type.reader().apply(YamlNode.ofText(name, ""));
    }

    /** The key whose value is this one's default. */
    Optional<String> follows() {
      return key.otherwise().startsWith("=")
          ? Optional.of(key.otherwise().substring(1))
          : Optional.empty();
    }

    /** The value for YAML; null for none. */
    @Nullable Object plain(@Nullable Object value) {
      return value == null ? null : type.writer().apply(value);
    }

    Object located(Object value, WorkingFolder folder) {
      return type.located().apply(value, folder);
    }

    /**
     * The value that was written; null for none.
     *
     * @throws UserError if it is not allowed
     */
    @Nullable Object read(YamlNode node) {
      if (node.isNull() && optional) {
        return null;
      }
      return type.reader()
          .apply(node)
          .filter(this::isAllowed)
          .orElseThrow(() -> refused(node.place() + ": ", node.toString()));
    }

    /** What a component of the given type holds for a value. */
    Object component(@Nullable Object value, Class<?> wanted) {
      Object held = value != null && isNone(value) && optional ? null : value;
      if (wanted == Optional.class) {
        return Optional.ofNullable(held);
      }
      if (wanted == OptionalInt.class) {
        return held == null ? OptionalInt.empty() : OptionalInt.of((Integer) held);
      }
      if (wanted == OptionalLong.class) {
        return held == null ? OptionalLong.empty() : OptionalLong.of((Long) held);
      }
      if (held == null) {
        throw new Bug("The key " + name + " has no value.");
      }
      return held;
    }

    /** What is in an optional component; null for nothing. */
    private static @Nullable Object held(Object component) {
      if (component instanceof Optional<?> held) {
        return held.orElse(null);
      }
      if (component instanceof OptionalInt held) {
        return held.isPresent() ? held.getAsInt() : null;
      }
      if (component instanceof OptionalLong held) {
        return held.isPresent() ? held.getAsLong() : null;
      }
      return component;
    }

    private void check(Object component) {
      Object value = held(component);
      if (value != null && !isAllowed(value)) {
        throw refused("", String.valueOf(plain(value)));
      }
    }

    private boolean isAllowed(Object value) {
      return isNone(value) || type.rule().test(value);
    }

    private boolean isNone(Object value) {
      return !key.none().isEmpty() && key.none().equals(String.valueOf(plain(value)));
    }

    private UserError refused(String where, String value) {
      String shown = value.isBlank() ? '"' + value + '"' : value;
      String shortened = shown.length() > MAX_SHOWN ? shown.substring(0, MAX_SHOWN) + "…" : shown;
      return new UserError(
          "%s%s is %s; allowed: %s".formatted(where, name, shortened, type.allowed()));
    }

    @Override
    public String toString() {
      return name;
    }
  }
}
