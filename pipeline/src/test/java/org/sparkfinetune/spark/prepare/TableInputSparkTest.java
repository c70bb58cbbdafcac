package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.sparkfinetune.spark.prepare.Preparing.lines;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.LongAccumulator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.config.PrepareConfig.DatasetKind;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.testing.SparkSessions;

/** Tables, views, queries and data sources of Spark as input. */
final class TableInputSparkTest {
  private final SparkSession spark = SparkSessions.shared().newSession();
  @TempDir private Path folder;

  private PrepareReport run(Configs configs) {
    return new Prepare(spark, configs.config()).run();
  }

  private Configs to(String name) {
    return Configs.to(folder.resolve(name)).maxRejected(0);
  }

  private Path file(int rows) throws IOException {
    return Path.of(Rows.write(folder.resolve("rows.jsonl"), Rows.sqlLines(rows)));
  }

  private Dataset<Row> frame(int rows) throws IOException {
    return spark.read().json(file(rows).toString());
  }

  @Test
  void a_table_a_view_a_query_and_orc_give_the_data_set_that_the_file_gives() throws IOException {
    String orc = folder.resolve("orc").toString();
    frame(60).repartition(5).write().orc(orc);
    spark.sql("CREATE DATABASE h2_db LOCATION '%s'".formatted(folder.resolve("db").toUri()));
    try {
      frame(60).repartition(3).write().format("orc").saveAsTable("h2_db.questions");
      frame(60).createOrReplaceTempView("h2_view");
      String sql =
          """
          -- joined with itself
          WITH a AS (SELECT question, answer FROM h2_db.questions)
          SELECT context, a.question, a.answer, kind
          FROM a JOIN h2_view v ON a.question = v.question;
          """;
      PrepareReport expected = run(to("file").input(file(60).toString()));
      for (Configs configs :
          new Configs[] {
            to("table").input("table:spark_catalog.h2_db.questions"),
            to("short").input("table:h2_db.questions"),
            to("view").input("table:h2_view"),
            to("sql").sql(sql),
            to("path").input(orc).format("orc", Map.of()),
            to("options").format("orc", Map.of("path", orc)),
          }) {
        PrepareReport report = run(configs);
        assertThat(report.rows()).isEqualTo(expected.rows());
        assertThat(report.datasetHash()).isEqualTo(expected.datasetHash());
        assertThat(Path.of(report.output()).resolve("train_dataset.json"))
            .hasSameBinaryContentAs(folder.resolve("file/train_dataset.json"));
      }
      assertThat(run(to("note").sql(sql)).notes())
          .contains(
              "sql is -- joined with itself WITH a AS (SELECT question, answer FROM"
                  + " h2_db.questions) SELECT context, a.question, a.answer, kind FROM a JOIN"
                  + " h2_view v ON a.question = v.question");
      assertThat(run(to("name").input("table:h2_view")).files())
          .singleElement()
          .isEqualTo(new PrepareReport.FileRows("table:h2_view", "", "input", "none", 0, 60));
    } finally {
      spark.sql("DROP DATABASE h2_db CASCADE");
    }
  }

  @Test
  void partitions_make_no_difference_and_tables_stand_beside_files_and_strata() throws IOException {
    frame(40).createOrReplaceTempView("one");
    frame(40).repartition(17).createOrReplaceTempView("seventeen");
    Configs one = to("one").input("table:one").stratifyBy("kind").numSamples(30);
    Configs seventeen = to("17").input("table:seventeen").stratifyBy("kind").numSamples(30);
    assertThat(run(one).datasetHash()).isEqualTo(run(seventeen).datasetHash());
    PrepareReport both =
        run(to("both").input("table:one", file(40).toString()).testInput("table:seventeen"));
    assertThat(both.rows()).isEqualTo(new PrepareReport.Rows(120, 80, 40, 0, 0, 0));
    assertThat(both.notes())
        .contains("input is table:one", "test_input is table:seventeen")
        .anyMatch(note -> note.startsWith("40 test row(s)"));
  }

  @Test
  void types_are_as_strict_as_parquets() {
    Dataset<Row> rows =
        spark.sql(
            """
            SELECT array(named_struct('role', 'user', 'content', 'Hi', 'weight', 1),
                         named_struct('role', 'assistant', 'content', 'Yes', 'weight', 1)) messages
            """);
    rows.createOrReplaceTempView("structs");
    spark
        .sql(
            """
            SELECT array(map('role', 'user', 'content', 'Hi'),
                         map('role', 'assistant', 'content', 'Yes')) messages
            """)
        .createOrReplaceTempView("maps");
    Configs structs = to("structs").dataset(DatasetKind.MESSAGES).testRows(0);
    Configs maps = to("maps").dataset(DatasetKind.MESSAGES).testRows(0);
    assertThat(run(structs.input("table:structs")).datasetHash())
        .isEqualTo(run(maps.input("table:maps")).datasetHash());
    for (String answer :
        new String[] {"1", "1.5", "CAST('x' AS BINARY)", "current_date()", "map(1, 'x')", "true"}) {
      assertThatThrownBy(
              () ->
                  run(
                      to("no")
                          .sql("SELECT 'q' question, 'c' context, %s answer".formatted(answer))))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("1 x wrong type. The first: sql row 1: answer is of type");
    }
  }

  @Test
  void a_rejected_row_is_found_by_its_place_in_the_order_of_reading() throws IOException {
    Dataset<Row> rows =
        spark
            .range(0, 30, 1, 4)
            .selectExpr(
                "concat('q', id) question", "'c' context", "if(id % 10 = 7, null, 'a') answer");
    rows.createOrReplaceTempView("nulls");
    PrepareReport report = run(to("out").input("table:nulls").maxRejected(0.5));
    assertThat(report.rows().rejected()).isEqualTo(3);
    for (String line : lines(folder.resolve("out/rejected/rejected.json"))) {
      JsonNode rejected = new ObjectMapper().readTree(line);
      assertThat(rejected.get("file").asText()).isEqualTo("table:nulls");
      assertThat(rejected.get("row").asInt() % 10).isEqualTo(8);
      assertThat(rejected.get("excerpt").asText())
          .contains("\"q%s\"".formatted(rejected.get("row").asInt() - 1));
    }
    assertThat(report.rejected().get(0).row()).isEqualTo(8);
  }

  @Test
  void a_query_runs_once() throws IOException {
    LongAccumulator read = spark.sparkContext().longAccumulator();
    view("counted", "a%s", 30, read);
    run(to("out").sql("SELECT * FROM counted WHERE answer IS NOT NULL"));
    assertThat(read.value()).isEqualTo(30);
  }

  /** Spark knows no size of such a view, and says what it is told to. */
  private void view(String name, String answer, int rows, LongAccumulator read) {
    JavaRDD<Row> values =
        JavaSparkContext.fromSparkContext(spark.sparkContext())
            .parallelize(IntStream.range(0, rows).boxed().toList(), 5)
            .map(
                i -> {
                  read.add(1);
                  return RowFactory.create("q" + i, "c", i % 10 == 7 ? null : answer.formatted(i));
                });
    spark
        .createDataFrame(
            values, StructType.fromDDL("question STRING, context STRING, answer STRING"))
        .createOrReplaceTempView(name);
  }

  @Test
  void whatever_size_spark_guesses_the_data_set_and_the_order_of_rejected_rows_are_the_same()
      throws IOException {
    view("guessed", "a%s", 400, spark.sparkContext().longAccumulator());
    List<String> rejected = null;
    PrepareReport first = null;
    for (String bytes : List.of("1", "100000000", String.valueOf(Long.MAX_VALUE))) {
      spark.conf().set("spark.sql.defaultSizeInBytes", bytes);
      PrepareReport report = run(to(bytes).input("table:guessed").maxRejected(0.5));
      List<String> lines = lines(folder.resolve(bytes + "/rejected/rejected.json"));
      if (first == null) {
        first = report;
        rejected = lines;
        assertThat(rejected)
            .extracting(line -> new ObjectMapper().readTree(line).get("row").asInt())
            .hasSize(40)
            .isSorted();
      }
      assertThat(report.datasetHash()).isEqualTo(first.datasetHash());
      assertThat(lines).isEqualTo(rejected);
      assertThat(folder.resolve(bytes + "/train"))
          .isDirectoryContaining("glob:**000%s.parquet".formatted(bytes.equals("1") ? "0" : "5"));
    }
  }

  @Test
  void a_missing_column_is_told_with_those_that_are_there() {
    assertThatThrownBy(() -> run(to("out").sql("SELECT 1 Question, 'a' answer, 2 `x.y`")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("question is missing; there is Question, answer, x.y");
    assertThatThrownBy(() -> run(to("out").sql("SELECT 1 x, 2 x")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("question is missing; there is x");
    assertThatThrownBy(() -> run(to("out").sql("SELECT 'a' answer, 'b' answer")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("input: sql has the columns answer, answer, one of them twice");
    assertThatThrownBy(() -> run(to("out").sql("SELECT 'a' answer LIMIT 0")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("no rows in sql");
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void rows_of_a_database_come_through_jdbc() throws Exception {
    String url = "jdbc:sqlite:" + folder.resolve("rows.db");
    try (var connection = java.sql.DriverManager.getConnection(url);
        var statement = connection.createStatement()) {
      statement.execute(
          "CREATE TABLE questions (id INT, question TEXT, context TEXT, answer TEXT)");
      for (int i = 0; i < 20; i++) {
        Map<String, Object> row = Rows.sql(i);
        statement.execute(
            "INSERT INTO questions VALUES (%s, '%s', '%s', '%s')"
                .formatted(i, row.get("question"), row.get("context"), row.get("answer")));
      }
    }
    Map<String, String> options = Map.of("url", url, "dbtable", "questions");
    PrepareReport report = run(to("out").format("jdbc", options));
    assertThat(report.datasetHash())
        .isEqualTo(run(to("file").input(file(20).toString())).datasetHash());
    assertThat(report.notes()).contains("input is jdbc:questions, by the options");
    assertThatThrownBy(() -> run(to("no").format("jdbc", Map.of("url", url, "dbtable", "answers"))))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("format: jdbc cannot be read: ")
        .hasMessageContaining("no such table: answers");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          table:nowhere.none | input: table:nowhere.none cannot be read: [TABLE_OR_VIEW_NOT_FOUND]
          table:no such      | input: table:no such cannot be read: [PARSE_SYNTAX_ERROR]
          table:             | input: table: cannot be read:
          """)
  void a_table_that_is_not_there_is_answered_with_sparks_reason(String input, String message) {
    assertThatThrownBy(() -> run(to("out").input(input)))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith(message)
        .hasMessageContaining("that SHOW TABLES lists")
        .hasMessageNotContaining("\n");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          SELEC 1                 | [PARSE_SYNTAX_ERROR]
          SELECT nothing          | [UNRESOLVED_COLUMN
          SELECT * FROM none_such | [TABLE_OR_VIEW_NOT_FOUND]
          DROP VIEW stays         | [PARSE_SYNTAX_ERROR]
          SELECT 1; SELECT 2      | [PARSE_SYNTAX_ERROR]
          """)
  void what_is_no_query_is_not_run(String sql, String reason) throws IOException {
    frame(1).createOrReplaceTempView("stays");
    assertThatThrownBy(() -> run(to("out").sql(sql)))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith("sql: '%s' cannot be read: %s".formatted(sql, reason))
        .hasMessageEndingWith("try it in spark-sql with the same settings.")
        .hasMessageNotContaining("\n");
    assertThat(spark.catalog().tableExists("stays")).isTrue();
  }

  @Test
  void an_unknown_format_and_a_path_that_is_not_there_are_named() {
    assertThatThrownBy(() -> run(to("out").input("x").format("nonesuch", Map.of())))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith("input: x read as nonesuch (key format) cannot be read: ")
        .hasMessageContaining("needs its package");
    assertThatThrownBy(() -> run(to("out").input(folder + "/none").format("orc", Map.of())))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("[PATH_NOT_FOUND]");
  }

  @Test
  void an_output_that_holds_the_tables_files_is_refused() throws IOException {
    frame(10).write().orc(folder.resolve("out/in").toString());
    spark.read().orc(folder.resolve("out/in").toString()).createOrReplaceTempView("inside");
    assertThatThrownBy(() -> run(to("out").input("table:inside").overwrite()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("holds the input")
        .hasMessageContaining("out/in/part-");
  }
}
