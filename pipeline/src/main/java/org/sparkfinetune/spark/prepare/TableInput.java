package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.DataFrameReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.CsvFormat;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.Source;
import org.sparkfinetune.config.SparkSource;
import org.sparkfinetune.errors.UserError;

/**
 * Input that Spark reads for us: tables and views of its catalogs, a query, and whatever data
 * sources it has. Of each only the columns that the converter needs are asked for, so that a
 * columnar format reads no others.
 *
 * <p>All of it is in the session of the caller, because temporary views and settings of catalogs
 * are a session's own. Such a source has no bytes to be cut at: where work is divided, {@link
 * TableSize} says how large it may be. So a query runs once.
 *
 * <p>A row's number is its place in the order in which Spark read the source, from 1: that of
 * {@code SELECT *} with the same Spark and settings, and another where files are divided among
 * tasks in another way. It is a help to find a rejected row, whose beginning stands beside it; no
 * result depends on it.
 */
final class TableInput {
  private static final Logger LOG = LoggerFactory.getLogger(TableInput.class);
  private static final String SQL = "sql";

  private final SparkSession spark;
  private final SparkSource wanted;
  private final int place;
  private final int firstIndex;
  private final List<InputTable> tables;
  private final List<String> notes;

  /**
   * @param wanted how one source is read
   * @param place of that source among those that are read
   * @param firstIndex the index of the first table among the files of the input
   */
  private TableInput(
      SparkSession spark,
      SparkSource wanted,
      int place,
      int firstIndex,
      List<InputTable> tables,
      List<String> notes) {
    this.spark = spark;
    this.wanted = wanted;
    this.place = place;
    this.firstIndex = firstIndex;
    this.tables = tables;
    this.notes = notes;
  }

  /**
   * Resolves what the configuration names; nothing is read yet.
   *
   * @param spark the session whose tables, views and settings are meant
   * @param firstIndex the index of the first table among the files of the input
   * @throws UserError if Spark cannot resolve a name, a query or a format
   */
  static TableInput open(SparkSession spark, PrepareConfig config, int firstIndex) {
    List<Source> sources = config.read();
    TableInput all =
        new TableInput(spark, config.source(), 0, firstIndex, new ArrayList<>(), new ArrayList<>());
    for (int i = 0; i < sources.size(); i++) {
      Source source = sources.get(i);
      TableInput one = new TableInput(spark, source.source(), i, firstIndex, all.tables, all.notes);
      one.openAll(InputFiles.key(config, source), source.input(), InputFile.Origin.INPUT);
      if (source.input().isEmpty()) {
        one.openWithoutPath();
      }
    }
    all.openAll("test_input", config.testInput().orElse(List.of()), InputFile.Origin.TEST_INPUT);
    return all;
  }

  /** Those of the paths that are files of ours to read. */
  static List<String> paths(SparkSource wanted, List<String> all) {
    return all.stream().filter(path -> !isSparks(wanted, path)).toList();
  }

  private static boolean isSparks(SparkSource wanted, String path) {
    return path.startsWith(SparkSource.TABLE) || wanted.format().isPresent();
  }

  List<InputTable> tables() {
    return List.copyOf(tables);
  }

  List<InputFile> files() {
    return tables.stream().map(InputTable::file).toList();
  }

  /** What was read, and in which state if Spark can tell, one line for each source. */
  List<String> notes() {
    return List.copyOf(notes);
  }

  /** Where the rows lie, if in files. */
  List<String> storedIn() {
    return tables.stream()
        .flatMap(table -> Arrays.stream(table.rows().inputFiles()))
        .map(uri -> new Path(URI.create(uri)).toString())
        .toList();
  }

  private void openAll(String key, List<String> paths, InputFile.Origin origin) {
    for (String path : paths) {
      if (path.startsWith(SparkSource.TABLE)) {
        add(path, origin, table(key, path));
      } else if (wanted.format().isPresent()) {
        add(uri(path), origin, loaded(key, path));
      }
    }
  }

  private void openWithoutPath() {
    wanted.sql().ifPresent(sql -> add(SQL, InputFile.Origin.INPUT, query(sql)));
    wanted
        .format()
        .ifPresent(format -> add(nameByOptions(format), InputFile.Origin.INPUT, loaded(format)));
  }

  /**
   * Rows that Spark will read.
   *
   * @param version their table's state; empty where Spark can tell none
   */
  private record Resolved(Dataset<Row> rows, String version) {}

  private void add(String uri, InputFile.Origin origin, Resolved resolved) {
    long bytes;
    try {
      bytes = TableSize.of(resolved.rows());
    } catch (Exception e) {
      throw Prepare.explained(e);
    }
    tables.add(
        new InputTable(
            new InputFile(
                firstIndex + tables.size(),
                place,
                uri,
                resolved.version(),
                origin,
                InputFile.Format.TABLE,
                InputFile.Compression.NONE,
                bytes,
                CsvFormat.RFC_4180),
            resolved.rows()));
  }

  private Resolved table(String key, String text) {
    String name = text.substring(SparkSource.TABLE.length());
    Optional<Resolved> pinned =
        TableVersion.ofTable(spark, name)
            .flatMap(
                version ->
                    pinned(
                        "%s is %s".formatted(key, text),
                        version,
                        () ->
                            spark.sql(
                                "SELECT * FROM %s VERSION AS OF %s"
                                    .formatted(name, version.number()))));
    return pinned.orElseGet(
        () -> {
          notes.add("%s is %s".formatted(key, text));
          return unversioned(
              "%s: %s".formatted(key, text),
              "Write %scatalog.database.name, with a table or view that SHOW TABLES lists in this Spark."
                  .formatted(SparkSource.TABLE),
              () -> spark.table(name));
        });
  }

  /** The query stands in parentheses, so that nothing but a query is run. */
  private Resolved query(String sql) {
    String query = sql.strip().replaceAll("[;\\s]+$", "");
    Dataset<Row> rows =
        resolved(
            "sql: '%s'".formatted(query.lines().findFirst().orElse("")),
            "Write one query, and try it in spark-sql with the same settings.",
            () -> spark.sql("SELECT * FROM (%s\n)".formatted(query)));
    notes.add("sql is %s".formatted(query.replaceAll("\\s+", " ")));
    List<String> versions = TableVersion.ofQuery(spark, query);
    notes.addAll(versions);
    return new Resolved(rows, String.join(", ", versions));
  }

  private Resolved loaded(String format) {
    notes.add("input is %s, by the options".formatted(nameByOptions(format)));
    return unversioned("format: %s".formatted(format), advice(format), () -> reader().load());
  }

  private Resolved loaded(String key, String path) {
    String format = wanted.format().orElseThrow();
    String what = "%s is %s, read as %s".formatted(key, uri(path), format);
    Map<String, String> picked = new LinkedHashMap<>(wanted.options().orElse(Map.of()));
    picked.keySet().removeIf(option -> !TableVersion.isPickedBy(option));
    Optional<TableVersion> newest =
        picked.isEmpty() ? TableVersion.ofPath(spark, format, path) : Optional.empty();
    Optional<Resolved> pinned =
        newest.flatMap(
            version ->
                pinned(
                    what,
                    version,
                    () -> reader().option(version.keeper().option(), version.number()).load(path)));
    return pinned.orElseGet(
        () -> {
          notes.add(what + (picked.isEmpty() ? "" : ", " + picked));
          return new Resolved(
              resolved(
                  "%s: %s read as %s (key format)".formatted(key, path, format),
                  advice(format),
                  () -> reader().load(path)),
              picked.isEmpty() ? "" : picked.toString());
        });
  }

  private DataFrameReader reader() {
    return spark
        .read()
        .format(wanted.format().orElseThrow())
        .options(wanted.options().orElse(Map.of()));
  }

  private static String advice(String format) {
    return "Check the path and the options; a data source that is not Spark's own needs its package (spark-submit --packages …), and format its name, now '%s'."
        .formatted(format);
  }

  /** Reads the very state that the report names. */
  private Optional<Resolved> pinned(
      String what, TableVersion version, Callable<Dataset<Row>> reading) {
    try {
      Dataset<Row> rows = reading.call();
      notes.add("%s, %s".formatted(what, version));
      return Optional.of(new Resolved(rows, version.toString()));
    } catch (Exception e) {
      LOG.debug("not read by version {}: {}", version, what, e);
      return Optional.empty();
    }
  }

  private static Resolved unversioned(String what, String advice, Callable<Dataset<Row>> reading) {
    return new Resolved(resolved(what, advice, reading), "");
  }

  private static Dataset<Row> resolved(String what, String advice, Callable<Dataset<Row>> reading) {
    try {
      return reading.call();
    } catch (Exception e) {
      // What Scala throws unchecked too: AnalysisException, SQLException of a driver.
      throw new UserError("%s cannot be read: %s. %s".formatted(what, reason(e), advice), e);
    }
  }

  /** Spark's own words, without the plan and the query that it prints below them. */
  static String reason(Exception e) {
    String line =
        Optional.ofNullable(e.getMessage()).stream()
            .flatMap(String::lines)
            .filter(text -> !text.isBlank())
            .findFirst()
            .orElseGet(() -> Prepare.oneLine(e));
    return line.strip().replaceAll("[.;]+$", "");
  }

  /** Of something that exists the whole address. */
  private String uri(String path) {
    try {
      Path file = new Path(path);
      FileSystem store = file.getFileSystem(spark.sparkContext().hadoopConfiguration());
      return store.exists(file) ? store.makeQualified(file).toString() : path;
    } catch (IOException | IllegalArgumentException e) {
      return path;
    }
  }

  /** Of a source without a path: other options than the table's name may be secrets. */
  private String nameByOptions(String format) {
    return wanted.options().orElse(Map.of()).entrySet().stream()
        .filter(option -> option.getKey().equalsIgnoreCase("dbtable"))
        .findFirst()
        .map(option -> format + ":" + option.getValue())
        .orElse(format);
  }
}
