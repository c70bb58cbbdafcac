package org.sparkfinetune.spark.prepare;

import static org.apache.spark.sql.functions.lit;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.config.PrepareConfig.DatasetKind;
import org.sparkfinetune.errors.UserError;

/** Tables of Delta and Iceberg, files of Avro and ORC, and databases, each by its own package. */
final class GenuineTablesTest {
  private static final int ROWS = 60;

  @TempDir private static Path disk;
  private static SparkSession spark;
  @TempDir private Path folder;
  private PrepareReport expected;

  /** A Spark of our own: one that runs already takes no extensions any more. */
  @BeforeAll
  static void start() {
    System.setProperty("derby.stream.error.file", disk.resolve("derby.log").toString());
    spark =
        SparkSession.builder()
            .master("local[2]")
            .appName("tables")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.sql.warehouse.dir", disk.resolve("warehouse").toUri().toString())
            .config(
                "spark.sql.extensions",
                "io.delta.sql.DeltaSparkSessionExtension,"
                    + "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
            .config(
                "spark.sql.catalog.spark_catalog",
                "org.apache.spark.sql.delta.catalog.DeltaCatalog")
            // Iceberg takes a path by this one.
            .config("spark.sql.catalog.default_iceberg.type", "hadoop")
            .config("spark.sql.catalog.default_iceberg.warehouse", disk.toUri().toString())
            .config("spark.sql.catalog.default_iceberg", "org.apache.iceberg.spark.SparkCatalog")
            .config("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog")
            .config("spark.sql.catalog.lake.type", "hadoop")
            .config("spark.sql.catalog.lake.warehouse", disk.resolve("lake").toUri().toString())
            .getOrCreate();
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  @BeforeEach
  void makeDatabasesAndPrepareFromJsonLines() throws IOException {
    for (String catalog : List.of("lake", "spark_catalog")) {
      spark.sql("CREATE DATABASE IF NOT EXISTS %s.support".formatted(catalog));
      for (Row table : spark.sql("SHOW TABLES IN %s.support".formatted(catalog)).collectAsList()) {
        spark.sql("DROP TABLE %s.support.%s".formatted(catalog, table.getString(1)));
      }
    }
    expected = run(to("json").input(file(ROWS)));
  }

  private String file(int rows) throws IOException {
    return Rows.write(folder.resolve("rows-%s.jsonl".formatted(rows)), Rows.sqlLines(rows));
  }

  private Dataset<Row> rows(int count) throws IOException {
    return spark.read().json(file(count)).repartition(3);
  }

  private Configs to(String name) {
    return Configs.to(folder.resolve(name)).maxRejected(0);
  }

  private static PrepareReport run(Configs configs) {
    return new Prepare(spark, configs.config()).run();
  }

  private void givesWhatTheFileGives(PrepareReport report) {
    assertThat(report.rows()).isEqualTo(expected.rows());
    assertThat(report.datasetHash()).isEqualTo(expected.datasetHash());
    assertThat(Path.of(report.output()).resolve("train_dataset.json"))
        .hasSameBinaryContentAs(folder.resolve("json/train_dataset.json"));
  }

  private static List<Long> numbers(String sql) {
    return spark.sql(sql).collectAsList().stream()
        .map(row -> ((Number) row.get(0)).longValue())
        .toList();
  }

  /** The oldest first. */
  private static List<Long> snapshots(String table) {
    return numbers("SELECT snapshot_id FROM %s.snapshots ORDER BY committed_at".formatted(table));
  }

  /** Version 0 with fewer rows, version 1 with all. */
  private void makeDelta(String table) throws Exception {
    rows(ROWS / 2).writeTo(table).using("delta").create();
    rows(ROWS).writeTo(table).overwrite(lit(true));
  }

  private List<Long> makeIceberg(String table) throws Exception {
    rows(ROWS / 2).writeTo(table).create();
    rows(ROWS).writeTo(table).overwrite(lit(true));
    return snapshots(table);
  }

  @Test
  void an_iceberg_table_by_name_format_or_query_gives_what_the_file_gives_with_its_snapshot()
      throws Exception {
    List<Long> snapshots = makeIceberg("lake.support.faq");
    PrepareReport table = run(to("table").input("table:lake.support.faq"));
    givesWhatTheFileGives(table);
    assertThat(table.notes())
        .contains("input is table:lake.support.faq, Iceberg snapshot " + snapshots.get(1));
    PrepareReport format = run(to("format").input("lake.support.faq").format("iceberg", Map.of()));
    givesWhatTheFileGives(format);
    assertThat(format.notes())
        .contains(
            "input is lake.support.faq, read as iceberg, Iceberg snapshot " + snapshots.get(1));
    PrepareReport path =
        run(
            to("path")
                .input(disk.resolve("lake/support/faq").toString())
                .format("iceberg", Map.of()));
    givesWhatTheFileGives(path);
    assertThat(path.notes())
        .anyMatch(
            note -> note.endsWith("faq, read as iceberg, Iceberg snapshot " + snapshots.get(1)));
    PrepareReport query = run(to("query").sql("SELECT * FROM lake.support.faq"));
    givesWhatTheFileGives(query);
    assertThat(query.notes()).contains("lake.support.faq is Iceberg snapshot " + snapshots.get(1));
  }

  @Test
  void a_delta_table_by_name_path_or_query_gives_what_the_file_gives_with_its_version()
      throws Exception {
    makeDelta("support.faq");
    String path = disk.resolve("warehouse/support.db/faq").toString();
    PrepareReport table = run(to("table").input("table:spark_catalog.support.faq"));
    givesWhatTheFileGives(table);
    assertThat(table.notes()).contains("input is table:spark_catalog.support.faq, Delta version 1");
    PrepareReport format = run(to("format").input(path).format("delta", Map.of()));
    givesWhatTheFileGives(format);
    assertThat(format.notes())
        .contains("input is file:%s, read as delta, Delta version 1".formatted(path));
    PrepareReport query = run(to("query").sql("SELECT * FROM support.faq"));
    givesWhatTheFileGives(query);
    assertThat(query.notes()).contains("support.faq is Delta version 1");
  }

  @Test
  void an_older_state_is_read_by_option_and_by_query_and_noted() throws Exception {
    PrepareReport half = run(to("half").input(file(ROWS / 2)));
    makeDelta("support.faq");
    String path = disk.resolve("warehouse/support.db/faq").toString();
    String snapshot = makeIceberg("lake.support.faq").get(0).toString();
    PrepareReport delta = run(to("delta").input(path).format("delta", Map.of("versionAsOf", "0")));
    PrepareReport iceberg =
        run(
            to("iceberg")
                .input("lake.support.faq")
                .format("iceberg", Map.of("snapshot-id", snapshot)));
    PrepareReport query =
        run(to("query").sql("SELECT * FROM lake.support.faq VERSION AS OF " + snapshot));
    for (PrepareReport report : List.of(delta, iceberg, query)) {
      assertThat(report.datasetHash()).isEqualTo(half.datasetHash());
    }
    assertThat(delta.notes())
        .contains("input is file:%s, read as delta, {versionAsOf=0}".formatted(path));
    assertThat(iceberg.notes())
        .contains(
            "input is lake.support.faq, read as iceberg, {snapshot-id=%s}".formatted(snapshot));
    assertThat(query.notes())
        .contains("sql is SELECT * FROM lake.support.faq VERSION AS OF " + snapshot)
        .noneMatch(note -> note.startsWith("lake.support.faq is "));
    assertThatThrownBy(() -> run(to("no").input(path).format("delta", Map.of("versionAsOf", "7"))))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("faq read as delta (key format) cannot be read: ")
        .hasMessageContaining("version 7");
  }

  @ParameterizedTest
  @ValueSource(strings = {"avro", "orc", "parquet"})
  void files_of_a_format_give_what_json_lines_give(String format) throws IOException {
    String path = folder.resolve("files").toString();
    rows(ROWS).write().format(format).save(path);
    givesWhatTheFileGives(run(to("out").input(path).format(format, Map.of())));
  }

  @ParameterizedTest
  @ValueSource(strings = {"jdbc:derby:memory:rows;create=true", "jdbc:sqlite:%s/rows.db"})
  void rows_of_a_database_give_what_json_lines_give(String address) throws Exception {
    String url = address.formatted(folder);
    try (Connection connection = DriverManager.getConnection(url);
        Statement statement = connection.createStatement()) {
      statement.execute(
          "CREATE TABLE faq (\"question\" VARCHAR(99), \"context\" VARCHAR(99), \"answer\" VARCHAR(99))");
      insertRows(connection);
    }
    Map<String, String> options = Map.of("url", url, "dbtable", "faq");
    PrepareReport report = run(to("out").format("jdbc", options));
    givesWhatTheFileGives(report);
    assertThat(report.notes()).contains("input is jdbc:faq, by the options");
  }

  private static void insertRows(Connection connection) throws SQLException {
    try (PreparedStatement insert =
        connection.prepareStatement("INSERT INTO faq VALUES (?, ?, ?)")) {
      for (int i = 0; i < ROWS; i++) {
        Map<String, Object> row = Rows.sql(i);
        insert.setString(1, row.get("question").toString());
        insert.setString(2, row.get("context").toString());
        insert.setString(3, row.get("answer").toString());
        insert.executeUpdate();
      }
    }
  }

  @Test
  void an_iceberg_table_as_output_keeps_its_history_and_is_input_again() throws Exception {
    PrepareReport made = run(to("made").input(file(ROWS)).table("lake.support.rows"));
    givesWhatTheFileGives(made);
    isWritten("lake.support.rows", made);
    assertThat(snapshots("lake.support.rows")).hasSize(1);
    PrepareReport again =
        run(to("made").input(file(ROWS / 2)).table("lake.support.rows").overwrite());
    isWritten("lake.support.rows", again);
    List<Long> snapshots = snapshots("lake.support.rows");
    assertThat(snapshots).hasSize(2);
    PrepareReport readBack =
        run(to("back").dataset(DatasetKind.MESSAGES).input("table:lake.support.rows"));
    assertThat(readBack.rows().in()).isEqualTo(ROWS / 2);
    assertThat(readBack.notes())
        .contains("input is table:lake.support.rows, Iceberg snapshot " + snapshots.get(1));
  }

  @Test
  void a_delta_table_as_output_stays_one_and_keeps_its_history() throws Exception {
    rows(3).write().format("delta").saveAsTable("support.rows");
    PrepareReport first = run(to("made").input(file(ROWS)).table("support.rows").overwrite());
    isWritten("support.rows", first);
    PrepareReport second = run(to("made").input(file(ROWS / 2)).table("support.rows").overwrite());
    isWritten("support.rows", second);
    assertThat(numbers("SELECT count(*) FROM support.rows VERSION AS OF 1"))
        .containsExactly((long) ROWS);
    PrepareReport readBack =
        run(to("back").dataset(DatasetKind.MESSAGES).input("table:support.rows"));
    assertThat(readBack.rows().in()).isEqualTo(ROWS / 2);
    assertThat(readBack.notes()).contains("input is table:support.rows, Delta version 2");
  }

  private static void isWritten(String table, PrepareReport report) {
    assertThat(spark.table(table).columns()).containsExactly("id", "split", "messages");
    assertThat(numbers("SELECT count(DISTINCT id) FROM " + table))
        .containsExactly(report.rows().train() + report.rows().test());
    assertThat(
            spark
                .table(table)
                .where("split = 'test'")
                .select("id", "messages")
                .exceptAll(spark.read().parquet(report.output() + "/test"))
                .count())
        .isZero();
  }
}
