package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.config.PrepareConfig.DatasetKind;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.testing.SparkSessions;

/**
 * Columns of Parquet that Spark cannot read; src/test/resources/parquet/make.py makes the files.
 */
final class ParquetInputSparkTest {
  private static final Path FILES = Path.of("src", "test", "resources", "parquet");
  @TempDir private Path folder;

  private PrepareReport run(double maxRejected, String... names) {
    String[] files =
        List.of(names).stream().map(name -> FILES.resolve(name).toString()).toArray(String[]::new);
    return Preparing.run(Configs.to(folder.resolve("out")).input(files).maxRejected(maxRejected));
  }

  @ParameterizedTest
  @ValueSource(strings = {"timestamp-ns.parquet", "time32.parquet", "brotli.parquet"})
  void what_a_column_is_that_is_not_needed_makes_no_difference(String name) {
    assertThat(run(0, name).rows().in()).isEqualTo(6);
  }

  @ParameterizedTest
  @CsvSource({
    "timestamp-ns.parquet, 2",
    "time32.parquet, 2",
    "time64.parquet, 2",
    "null.parquet, 2",
    "duration.parquet, 2",
    "differing, 6",
  })
  void conversations_are_read_whatever_lies_beside_them(String name, int rows) {
    PrepareReport report =
        Preparing.run(
            Configs.to(folder.resolve("out"))
                .dataset(DatasetKind.MESSAGES)
                .input(FILES.resolve("messages").resolve(name).toString())
                .maxRejected(0)
                .testRows(1));
    assertThat(report.rows().in()).isEqualTo(rows);
    assertThat(report.rows().train() + report.rows().test()).isEqualTo(rows);
  }

  /** The Parquet of Spark 3.5 cannot read the footer of such a file, whatever the columns. */
  @Test
  void a_float16_that_is_not_needed_makes_no_difference_where_sparks_parquet_knows_the_type() {
    if (SparkSessions.shared().version().startsWith("3.")) {
      assertThatThrownBy(() -> run(0, "float16.parquet"))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("float16.parquet cannot be read as Parquet")
          .hasMessageContaining("float16 in Spark 3.5");
    } else {
      assertThat(run(0, "float16.parquet").rows().in()).isEqualTo(6);
    }
  }

  @Test
  void files_whose_ids_are_of_three_types_are_one_input() {
    PrepareReport report = run(0, "plain.parquet", "timestamp-ns.parquet", "time32.parquet");
    assertThat(report.rows()).isEqualTo(new PrepareReport.Rows(18, 14, 4, 0, 0, 0));
    assertThat(report.files()).allMatch(file -> file.rows() == 6);
  }

  @Test
  void a_needed_column_of_another_type_or_without_one_costs_the_rows_of_its_file() {
    PrepareReport report =
        run(0.7, "plain.parquet", "answer-int64.parquet", "answer-missing.parquet");
    assertThat(report.rows().rejected()).isEqualTo(12);
    assertThat(report.rejected())
        .anySatisfy(
            rejected -> {
              assertThat(rejected.reason()).isEqualTo("wrong type");
              assertThat(rejected.file()).endsWith("answer-int64.parquet");
              assertThat(rejected.row()).isEqualTo(1);
              assertThat(rejected.detail()).contains("answer is of type number (0)");
            })
        .anySatisfy(
            rejected -> {
              assertThat(rejected.reason()).isEqualTo("missing column");
              assertThat(rejected.file()).endsWith("answer-missing.parquet");
              assertThat(rejected.detail())
                  .isEqualTo("answer is missing; there is question, context, reply");
            });
  }

  @Test
  void a_needed_column_that_spark_cannot_read_is_named_with_its_file_and_type() {
    assertThatThrownBy(() -> run(1, "plain.parquet", "answer-time32.parquet"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("answer-time32.parquet cannot be read as Parquet: the column answer")
        .hasMessageContaining("TIME(MILLIS");
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void files_without_any_needed_column_are_rejected_row_by_row() {
    assertThatThrownBy(
            () ->
                Preparing.run(
                    Configs.to(folder.resolve("out"))
                        .dataset(org.sparkfinetune.config.PrepareConfig.DatasetKind.MESSAGES)
                        .input(FILES.resolve("brotli.parquet").toString())))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("6 of 6 rows")
        .hasMessageContaining("messages is missing; there is question, context, answer, pages");
  }
}
