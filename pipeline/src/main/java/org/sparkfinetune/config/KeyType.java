package org.sparkfinetune.config;

import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * What the values of a key are.
 *
 * @param allowed completes "allowed: " in a message
 * @param arity how many words the command line takes for it
 * @param reader the value meant by what was written; empty where it means none of this type
 * @param rule which values of the type are allowed
 * @param writer the value as a string, number, boolean, list or map for YAML; empty for null
 * @param located the value with relative paths in it made absolute
 */
record KeyType<T>(
    String allowed,
    Arity arity,
    Function<Raw, Optional<T>> reader,
    Predicate<T> rule,
    Function<T, Optional<Object>> writer,
    BiFunction<T, WorkingFolder, T> located) {

  /** A type whose values are no paths. */
  KeyType(
      String allowed,
      Arity arity,
      Function<Raw, Optional<T>> reader,
      Predicate<T> rule,
      Function<T, Optional<Object>> writer) {
    this(allowed, arity, reader, rule, writer, (value, folder) -> value);
  }

  enum Arity {
    ONE,
    /** One, or none, which means true. */
    FLAG,
    MANY
  }

  Optional<T> read(Raw raw) {
    return reader.apply(raw).filter(rule);
  }

  /** The same type where "nothing" is a value too. */
  @SuppressWarnings("OptionalMapToOptional") // "nothing" and "not of this type" differ
  KeyType<Optional<T>> orNothing() {
    return new KeyType<>(
        allowed,
        arity,
        raw ->
            raw instanceof Raw.Nothing
                ? Optional.of(Optional.empty())
                : reader.apply(raw).map(Optional::of),
        value -> value.isEmpty() || rule.test(value.get()),
        value -> value.flatMap(writer),
        (value, folder) -> value.map(path -> located.apply(path, folder)));
  }

  KeyType<T> only(String allowed, Predicate<T> rule) {
    return new KeyType<>(allowed, arity, reader, rule, writer, located);
  }

  KeyType<T> located(BiFunction<T, WorkingFolder, T> how) {
    return new KeyType<>(allowed, arity, reader, rule, writer, how);
  }
}
