package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.sparkfinetune.spark.prepare.Preparing.run;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.PrepareConfig.OutputFormat;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.testing.SparkSessions;

/** The rows as a table beside the folder. */
final class TableOutputSparkTest {
  private final SparkSession spark = SparkSessions.shared();
  @TempDir private Path folder;

  @BeforeEach
  void makeDatabase() {
    spark.sql(
        "CREATE DATABASE prepared LOCATION '%s'".formatted(folder.resolve("warehouse").toUri()));
  }

  @AfterEach
  void dropDatabase() {
    spark.sql("DROP DATABASE prepared CASCADE");
  }

  private Configs rows(int count) throws IOException {
    return Configs.to(folder.resolve("out"))
        .input(Rows.write(folder.resolve("in/rows.jsonl"), Rows.sqlLines(count)));
  }

  private List<Row> table(String columns) {
    return spark.sql("SELECT %s FROM prepared.rows".formatted(columns)).collectAsList();
  }

  @Test
  void it_has_the_rows_of_both_splits_and_is_replaced_only_when_asked() throws IOException {
    run(rows(20).table("prepared.rows"));
    assertThat(spark.table("prepared.rows").columns()).containsExactly("id", "split", "messages");
    assertThat(table("count(*), count(DISTINCT id), count_if(split = 'test')"))
        .singleElement()
        .hasToString("[20,20,4]");
    assertThat(
            spark
                .table("prepared.rows")
                .where("split = 'train'")
                .select("id", "messages")
                .exceptAll(spark.read().parquet(folder.resolve("out/train").toString()))
                .count())
        .isZero();
    // Such a table keeps its format.
    spark
        .table("prepared.rows")
        .write()
        .format("orc")
        .mode("overwrite")
        .saveAsTable("prepared.kept");
    run(rows(20).table("prepared.kept").overwrite());
    assertThat(
            spark.sql("DESCRIBE TABLE EXTENDED prepared.kept").where("data_type = 'orc'").count())
        .isEqualTo(1);
    assertThatThrownBy(() -> run(rows(30).table("prepared.rows")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("output: table:prepared.rows is there already")
        .hasMessageContaining("overwrite: true");
    run(rows(30).table("prepared.rows").overwrite().testRows(0));
    assertThat(table("count(*), count_if(split = 'test')")).singleElement().hasToString("[30,0]");
  }

  @Test
  void what_cannot_be_a_table_is_said_before_anything_is_read() throws IOException {
    assertThatThrownBy(() -> run(rows(3).table("no catalog")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("output: table:no catalog cannot be a table: [PARSE_SYNTAX_ERROR]");
    assertThatThrownBy(() -> run(rows(3).table("prepared.rows").formats(OutputFormat.JSON)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("Add parquet to formats");
    spark
        .range(3)
        .selectExpr("'q' question", "'c' context", "'a' answer")
        .write()
        .saveAsTable("prepared.rows");
    assertThatThrownBy(
            () -> run(rows(3).input("table:prepared.rows").table("prepared.rows").overwrite()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("output: table:prepared.rows is the input too");
    assertThat(folder.resolve("out")).doesNotExist();
  }

  @Test
  void a_table_that_cannot_be_written_leaves_the_folder_whole() throws IOException {
    assertThatThrownBy(() -> run(rows(3).table("no_such_database.rows")))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("is whole, but table:no_such_database.rows could not be written")
        .hasMessageContaining("[SCHEMA_NOT_FOUND]");
    assertThat(folder.resolve("out/_manifest.json")).exists();
  }
}
