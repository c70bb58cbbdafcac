package org.sparkfinetune.spark.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.UUID;
import java.util.stream.IntStream;
import org.apache.spark.sql.SparkSession;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.CsvFormat;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.PrepareConfig.DatasetKind;
import org.sparkfinetune.config.PrepareConfig.OutputFormat;
import org.sparkfinetune.config.PrepareConfig.TestSize;
import org.sparkfinetune.config.SparkSource;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.spark.prepare.Prepare;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.SparkSessions;

/** Training knows a data set by the hash that prepare gave to its rows. */
final class TokenizedHashSparkTest {
  private final SparkSession spark = SparkSessions.shared();
  @TempDir private Path folder;

  private String prepared(Path out, EnumSet<OutputFormat> formats) throws IOException {
    Path input = folder.resolve("rows.jsonl");
    Files.write(
        input,
        IntStream.range(0, 700)
            .mapToObj(i -> "{\"prompt\": \"How many %d?\", \"completion\": \"%d\"}".formatted(i, i))
            .toList());
    return new Prepare(
            spark,
            new PrepareConfig(
                Optional.of(DatasetKind.INSTRUCTION),
                List.of(input.toString()),
                Optional.empty(),
                new PrepareConfig.Output(out.toString(), Optional.empty()),
                42,
                OptionalLong.empty(),
                new TestSize.Rows(100),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                false,
                formats,
                0,
                false,
                Optional.empty(),
                CsvFormat.RFC_4180,
                SparkSource.NONE,
                List.of(),
                List.of()))
        .run()
        .datasetHash();
  }

  private String looked(Path dataset) {
    return TokenizedHash.dataset(
        spark, train(dataset), DatasetSplit.find(path(dataset), DatasetSplit.TEST, store()));
  }

  private DatasetSplit train(Path dataset) {
    return DatasetSplit.train(path(dataset), store());
  }

  private static org.apache.hadoop.fs.Path path(Path dataset) {
    return new org.apache.hadoop.fs.Path(dataset.toUri());
  }

  private Store store() {
    return new Store(spark.sparkContext().hadoopConfiguration());
  }

  @Test
  void the_hash_is_the_same_for_parquet_and_json_and_changes_with_the_order() throws IOException {
    Path parquet = folder.resolve("parquet");
    Path json = folder.resolve("json");
    String hash = prepared(parquet, EnumSet.of(OutputFormat.PARQUET));
    assertThat(looked(parquet)).isEqualTo(hash);
    assertThat(prepared(json, EnumSet.of(OutputFormat.JSON))).isEqualTo(hash);
    assertThat(looked(json)).isEqualTo(hash);
    Path file = json.resolve("train_dataset.json");
    List<String> lines = new ArrayList<>(Files.readAllLines(file));
    Collections.swap(lines, 5, 6);
    Files.write(file, lines);
    assertThat(looked(json)).isNotEqualTo(hash);
  }

  @Test
  void files_that_cannot_be_read_are_the_users_to_change() throws IOException {
    Path train = Files.createDirectories(folder.resolve("data/train"));
    Files.writeString(train.resolve("part-00000.parquet"), "no Parquet");
    for (ThrowingCallable reading :
        List.<ThrowingCallable>of(
            () -> looked(folder.resolve("data")),
            () -> train(folder.resolve("data")).withColumns(spark))) {
      assertThatThrownBy(reading)
          .isInstanceOf(UserError.class)
          .hasMessageContaining("data/train' cannot be read: ")
          .hasMessageContaining("If prepare is at work there");
    }
  }

  @Test
  void a_split_that_has_its_columns_asks_the_files_for_them_no_more() throws IOException {
    prepared(folder.resolve("data"), EnumSet.of(OutputFormat.PARQUET));
    DatasetSplit found = train(folder.resolve("data"));
    DatasetSplit withColumns = found.withColumns(spark);

    assertThat(jobs(() -> found.read(spark))).isEqualTo(1);
    assertThat(jobs(() -> withColumns.read(spark))).isZero();
    assertThat(withColumns.read(spark).collectAsList())
        .isEqualTo(found.read(spark).collectAsList());
  }

  private int jobs(Runnable work) {
    String group = UUID.randomUUID().toString();
    spark.sparkContext().setJobGroup(group, "counted", false);
    try {
      work.run();
      return spark.sparkContext().statusTracker().getJobIdsForGroup(group).length;
    } finally {
      spark.sparkContext().clearJobGroup();
    }
  }
}
