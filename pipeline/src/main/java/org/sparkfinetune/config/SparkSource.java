package org.sparkfinetune.config;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.errors.UserError;

/**
 * Input of {@code prepare} that Spark itself reads: a query, or what {@code input} names read as a
 * format that prepare has no reader of its own for. Tables need none of these keys, see {@link
 * #TABLE}.
 *
 * @param options of the data source; they may hold a password, so no message and no report shows
 *     their values
 */
public record SparkSource(
    @Key(
            after = "input",
            allowed = "a query that begins with SELECT or WITH",
            doc = "a query on Spark's tables and views, in place of input")
        Optional<String> sql,
    @Key(
            after = "sql",
            allowed = "the name of a data source of this Spark, as orc, avro, delta, iceberg, jdbc",
            doc = "how Spark reads the paths of input; without it their endings say that")
        Optional<String> format,
    @Key(
            after = "format",
            allowed = "a mapping of options to texts",
            doc = "options of the format, as Spark's reader has them")
        Optional<Map<String, String>> options) {

  /** Before the name of a table or view, where {@code input} and {@code test_input} take paths. */
  public static final String TABLE = "table:";

  /** Nothing but paths and tables. */
  public static final SparkSource NONE =
      new SparkSource(Optional.empty(), Optional.empty(), Optional.empty());

  public SparkSource {
    KeyTable.check(SparkSource.class, sql, format, options);
    options = options.map(texts -> Collections.unmodifiableMap(new LinkedHashMap<>(texts)));
    if (options.isPresent() && format.isEmpty()) {
      throw new UserError(
          "options has the key(s) %s, but no format says whose they are; write format too"
              .formatted(String.join(", ", options.get().keySet())));
    }
    if (format.isPresent() && sql.isPresent()) {
      throw new UserError(
          "format is %s, but sql is given: a query names what it reads; keep one of the two"
              .formatted(format.get()));
    }
  }

  /**
   * @throws UserError unless exactly one thing says what the input is
   */
  void checkInput(List<String> input) {
    if (input.isEmpty() && sql.isEmpty() && options.isEmpty()) {
      throw new UserError(
          "prepare needs input: paths, hub:owner/name or table:catalog.database.name; or sql: a"
              + " query");
    }
    if (!input.isEmpty() && sql.isPresent()) {
      throw new UserError(
          "input is %s, and sql is given too; keep one of the two"
              .formatted(String.join(", ", input)));
    }
    check(input);
  }

  /**
   * @throws UserError for paths that no data source of Spark can read
   */
  void check(List<String> paths) {
    paths.stream()
        .filter(path -> format.isPresent() && path.startsWith("hub:"))
        .findFirst()
        .ifPresent(
            path -> {
              throw new UserError(
                  "format is %s, but %s is on a hub, whose files prepare reads itself; leave format out"
                      .formatted(format.get(), path));
            });
  }
}
