package org.sparkfinetune.spark.prepare;

import static org.apache.spark.sql.functions.col;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The state of a table whose format keeps states. Spark has no question that all formats answer, so
 * each is asked in its own way; where none answers, there is nothing to tell.
 */
record TableVersion(Keeper keeper, long number) {
  private static final Logger LOG = LoggerFactory.getLogger(TableVersion.class);

  /** Options by which a user picks a state. */
  private static final Set<String> PICKS =
      Set.of("versionasof", "timestampasof", "snapshot-id", "as-of-timestamp", "branch", "tag");

  private static final Pattern NAMED =
      Pattern.compile(
          "\\b(?:FROM|JOIN)\\s+((?:`[^`]+`|\\w++)(?:\\.(?:`[^`]+`|\\w++))*+)(?!\\s*\\()"
              + "(?!\\s+(?:FOR\\s+)?(?:SYSTEM_)?(?:VERSION|TIMESTAMP|TIME)\\s)",
          Pattern.CASE_INSENSITIVE);

  /** A table format that keeps states. */
  enum Keeper {
    DELTA("Delta version", "versionAsOf"),
    ICEBERG("Iceberg snapshot", "snapshot-id");

    private final String word;
    private final String option;

    Keeper(String word, String option) {
      this.word = word;
      this.option = option;
    }

    /** The option of a reader that picks a state. */
    String option() {
      return option;
    }
  }

  /** Of a table or view of the catalog. */
  static Optional<TableVersion> ofTable(SparkSession spark, String name) {
    return asked(Keeper.DELTA, () -> delta(spark, name))
        .or(() -> asked(Keeper.ICEBERG, () -> iceberg(spark.table(name + ".history"))));
  }

  /** Of what a format loads from a path; Iceberg takes a name there too. */
  static Optional<TableVersion> ofPath(SparkSession spark, String format, String path) {
    return switch (format) {
      case "delta" -> asked(Keeper.DELTA, () -> delta(spark, "delta.`%s`".formatted(path)));
      case "iceberg" -> {
        String history = path + (path.contains("/") ? "#history" : ".history");
        yield asked(Keeper.ICEBERG, () -> iceberg(spark.read().format("iceberg").load(history)));
      }
      default -> Optional.empty();
    };
  }

  /** What the tables are at that a query names and picks no state of, each with its name. */
  static List<String> ofQuery(SparkSession spark, String sql) {
    return named(sql).stream()
        .flatMap(
            name ->
                ofTable(spark, name).stream().map(version -> "%s is %s".formatted(name, version)))
        .toList();
  }

  /** By the words around them; a name that is no table's has no version. */
  static List<String> named(String sql) {
    Map<String, String> names = new LinkedHashMap<>();
    Matcher matcher = NAMED.matcher(sql);
    while (matcher.find()) {
      names.putIfAbsent(matcher.group(1).replace("`", ""), matcher.group(1));
    }
    return List.copyOf(names.values());
  }

  /** Whether the user picks a state, so that the newest is not the one that is read. */
  static boolean isPickedBy(String option) {
    return PICKS.contains(option.toLowerCase(Locale.ROOT));
  }

  private static Stream<Row> delta(SparkSession spark, String relation) {
    return spark
        .sql("DESCRIBE HISTORY %s LIMIT 1".formatted(relation))
        .select("version")
        .collectAsList()
        .stream();
  }

  private static Stream<Row> iceberg(Dataset<Row> history) {
    return history
        .where("is_current_ancestor")
        .orderBy(col("made_current_at").desc())
        .limit(1)
        .select("snapshot_id")
        .collectAsList()
        .stream();
  }

  private static Optional<TableVersion> asked(Keeper keeper, Supplier<Stream<Row>> question) {
    try {
      return question.get().findFirst().map(row -> new TableVersion(keeper, row.getLong(0)));
    } catch (Exception e) {
      // Also what Scala throws unchecked: the table is of another format.
      LOG.debug("no {}", keeper.word, e);
      return Optional.empty();
    }
  }

  @Override
  public String toString() {
    return "%s %s".formatted(keeper.word, number);
  }
}
