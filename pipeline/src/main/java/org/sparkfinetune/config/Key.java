package org.sparkfinetune.config;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.sparkfinetune.errors.UserError;

/**
 * One key of a YAML file and of the command line: its spellings, type, default and one line of
 * help. A name with a dot is a key inside a mapping.
 */
public final class Key<T> {

  private static final int MAX_SHOWN = 120;

  private final String name;
  private final List<String> aliases;
  private final KeyType<T> type;
  private final Optional<T> otherwise;
  private final String doc;

  private Key(
      String name, List<String> aliases, KeyType<T> type, Optional<T> otherwise, String doc) {
    this.name = name;
    this.aliases = aliases;
    this.type = type;
    this.otherwise = otherwise;
    this.doc = doc;
  }

  static <T> Key<T> required(String name, KeyType<T> type, String doc) {
    return new Key<>(name, List.of(), type, Optional.empty(), doc);
  }

  static <T> Key<T> of(String name, KeyType<T> type, T otherwise, String doc) {
    return new Key<>(name, List.of(), type, Optional.of(otherwise), doc);
  }

  /** A key whose default is that there is no value. */
  static <T> Key<Optional<T>> optional(String name, KeyType<T> type, String doc) {
    return of(name, type.orNothing(), Optional.empty(), doc);
  }

  Key<T> alias(String alias) {
    return new Key<>(name, List.of(alias), type, otherwise, doc);
  }

  /** The spelling that we write. */
  public String name() {
    return name;
  }

  /** Other spellings that we read. */
  public List<String> aliases() {
    return aliases;
  }

  /** One line for {@code --help}. */
  public String doc() {
    return doc;
  }

  /** What values there are, in words. */
  public String allowed() {
    return type.allowed();
  }

  /** {@code required}, {@code none}, or the default as one would write it. */
  public String defaultText() {
    if (otherwise.isEmpty()) {
      return "required";
    }
    Object plain = type.writer().apply(otherwise.get()).orElse("none");
    return plain instanceof List<?> list
        ? list.isEmpty() ? "none" : String.join(",", list.stream().map(String::valueOf).toList())
        : plain.toString();
  }

  /** True where the command line takes the key alone for {@code true}. */
  public boolean isFlag() {
    return type.arity() == KeyType.Arity.FLAG;
  }

  /** True where the command line takes several values after the key. */
  public boolean takesMany() {
    return type.arity() == KeyType.Arity.MANY;
  }

  Stream<String> spellings() {
    return Stream.concat(Stream.of(name), aliases.stream());
  }

  Optional<T> otherwise() {
    return otherwise;
  }

  /** The value for YAML; empty for null. */
  Optional<Object> plain(T value) {
    return type.writer().apply(value);
  }

  T located(T value, WorkingFolder folder) {
    return type.located().apply(value, folder);
  }

  T read(Raw raw) {
    return type.read(raw).orElseThrow(() -> refused(raw.place() + ": ", raw.toString()));
  }

  /** {@code value} itself, if it is allowed: what records check their components with. */
  T check(T value) {
    if (!type.rule().test(value)) {
      throw refused("", type.writer().apply(value).map(Object::toString).orElse("empty"));
    }
    return value;
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
