package org.sparkfinetune.config;

import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;

/**
 * One key: its spellings, type, default and one line of help. A name with a dot is a key inside a
 * mapping.
 */
public final class KeyEntry {
  private static final int MAX_SHOWN = 120;

  private final String name;
  private final Key key;
  private final KeyType<Object> type;
  private final boolean optional;
  private final Optional<Object> otherwise;

  @SuppressWarnings("unchecked") // a value was read by its own key
  private KeyEntry(String name, Key key, KeyType<?> type, boolean optional) {
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

  static KeyEntry of(RecordComponent component) {
    return of(component, false);
  }

  /**
   * @param optional whether the key may be left out whatever its component says
   */
  static KeyEntry of(RecordComponent component, boolean optional) {
    Key key = component.getAnnotation(Key.class);
    String snake = component.getName().replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
    return new KeyEntry(
        key.name().isEmpty() ? snake : key.name(),
        key,
        KeyType.of(component, key),
        optional || component.getType().getSimpleName().startsWith("Optional"));
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

  /** The key that help shows this one behind; nothing in it where it comes last. */
  String after() {
    return key.after();
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
  static @Nullable Object held(Object component) {
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

  /**
   * @throws UserError if what a component holds is not allowed
   */
  void check(Object component) {
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
