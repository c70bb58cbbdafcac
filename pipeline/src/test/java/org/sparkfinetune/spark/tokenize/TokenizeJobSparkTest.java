package org.sparkfinetune.spark.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.config.TrainingData.Objective;
import org.sparkfinetune.config.TrainingData.Overlong;
import org.sparkfinetune.data.tokenize.PackedRowTexts;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.data.tokenize.PackedRowsFile;
import org.sparkfinetune.data.tokenize.TinyTokenizer;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.tokenize.TokenizeJob.TokenizeRequest;
import org.sparkfinetune.spark.tokenize.TokenizedDataset.TokenizedJson;
import org.sparkfinetune.store.RunLock;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.store.Watch.Pace;

final class TokenizeJobSparkTest {
  private static SparkSession spark;

  @TempDir private Path folder;

  @BeforeAll
  static void start() {
    spark =
        SparkSession.builder()
            .master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .getOrCreate();
  }

  private static Map<String, Object> conversation(int i) {
    return Map.of(
        "messages",
        List.of(
            Map.of("role", "user", "content", "q" + "?".repeat(i % 23) + i),
            Map.of("role", "assistant", "content", "a" + i)));
  }

  private Path jsonDataset(int train, int test) throws IOException {
    Path dataset = Files.createDirectories(folder.resolve("json"));
    Files.write(dataset.resolve("train_dataset.json"), lines(0, train));
    Files.write(dataset.resolve("test_dataset.json"), lines(train, train + test));
    return dataset;
  }

  private static List<String> lines(int from, int to) throws IOException {
    List<String> lines = new ArrayList<>();
    for (int i = from; i < to; i++) {
      lines.add(new ObjectMapper().writeValueAsString(conversation(i)));
    }
    return lines;
  }

  private TrainingData data(Path dataset, int length, Overlong overlong) {
    return data(dataset, length, overlong, Optional.of("llama3"), false);
  }

  private static TrainingData data(
      Path dataset,
      int length,
      Overlong overlong,
      Optional<String> template,
      boolean assistantOnly) {
    return new TrainingData(
        dataset.toUri().toString(),
        length,
        true,
        false,
        template,
        overlong,
        assistantOnly,
        Objective.SFT);
  }

  private TokenizedDataset run(TrainingData data) {
    return new TokenizeJob(spark)
        .run(
            new TokenizeRequest(
                data,
                TinyTokenizer.files(),
                new org.apache.hadoop.fs.Path(folder.resolve("cache").toUri())));
  }

  private List<PackedRow> rows(TokenizedDataset tokenized, String split) {
    try (PackedRowsFile file =
        PackedRowsFile.copyOf(
            tokenized.path(),
            split,
            new Store(spark.sparkContext().hadoopConfiguration()),
            folder.resolve("scratch"))) {
      return IntStream.range(0, file.size()).mapToObj(file::row).toList();
    }
  }

  private static String text(PackedRow row) {
    StringBuilder text = new StringBuilder();
    for (int id : row.inputIds()) {
      text.append(id < 256 ? String.valueOf((char) id) : id == TinyTokenizer.BOS ? "^" : "|");
    }
    return text.toString();
  }

  @Test
  void conversations_become_rows_and_every_sample_is_in_one() throws IOException {
    TokenizedDataset tokenized = run(data(jsonDataset(700, 50), 256, Overlong.DROP));
    List<PackedRow> train = rows(tokenized, "train");
    String all = String.join("", train.stream().map(TokenizeJobSparkTest::text).toList());
    for (int i = 0; i < 700; i++) {
      assertThat(all).contains("\n\nq" + "?".repeat(i % 23) + i + "||assistant|\n\na" + i + "|");
    }
    assertThat(tokenized.train().packing().samples()).isEqualTo(700);
    assertThat(tokenized.train().packing().rows()).isEqualTo(train.size());
    assertThat(tokenized.train().packing().fill()).isGreaterThan(0.95);
    long trained =
        train.stream()
            .flatMapToInt(row -> Arrays.stream(row.labels()))
            .filter(label -> label >= 0)
            .count();
    assertThat(tokenized.train().trainedTokens())
        .isEqualTo(trained)
        .isEqualTo(tokenized.train().packing().tokens() - 700);
    assertThat(tokenized.test().orElseThrow().packing().samples()).isEqualTo(50);
    JsonNode json = new ObjectMapper().readTree(TokenizedJson.of(tokenized));
    assertThat(json.at("/train/samples").asInt()).isEqualTo(700);
    assertThat(json.at("/train/trained_tokens").asLong()).isEqualTo(trained);
    assertThat(json.at("/test/fill").asDouble()).isBetween(0.5, 1.0);
    assertThat(rows(tokenized, "test")).isNotEmpty();
  }

  @Test
  void the_rows_are_the_same_however_spark_reads_the_files() throws IOException {
    Path dataset = jsonDataset(900, 20);
    Path parquet = folder.resolve("parquet");
    spark
        .read()
        .schema("messages array<struct<role string, content string>>")
        .json(dataset.resolve("train_dataset.json").toUri().toString())
        .coalesce(1)
        .selectExpr("'id' as id", "messages")
        .write()
        .option("maxRecordsPerFile", 250)
        .parquet(parquet.resolve("train").toUri().toString());
    List<PackedRow> once = rows(run(data(dataset, 128, Overlong.DROP)), "train");
    List<PackedRow> fromParquet = rows(run(data(parquet, 128, Overlong.DROP)), "train");
    spark.conf().set("spark.sql.files.maxPartitionBytes", "9000");
    spark.conf().set("spark.sql.files.openCostInBytes", "0");
    try {
      Files.writeString(
          dataset.resolve("train_dataset.json"), "\n", java.nio.file.StandardOpenOption.APPEND);
      List<PackedRow> again = rows(run(data(dataset, 128, Overlong.DROP)), "train");
      assertThat(PackedRowTexts.of(again)).isEqualTo(PackedRowTexts.of(once));
      assertThat(PackedRowTexts.of(fromParquet)).isEqualTo(PackedRowTexts.of(once));
    } finally {
      spark.conf().unset("spark.sql.files.maxPartitionBytes");
      spark.conf().unset("spark.sql.files.openCostInBytes");
    }
  }

  @Test
  void the_same_again_is_found_and_any_difference_is_not() throws IOException {
    Path dataset = jsonDataset(30, 5);
    TokenizedDataset first = run(data(dataset, 128, Overlong.DROP));
    Path made = Path.of(first.path().toUri()).resolve("train-00000.parquet");
    Object before = Files.getLastModifiedTime(made);
    assertThat(run(data(dataset, 128, Overlong.DROP))).isEqualTo(first);
    assertThat(Files.getLastModifiedTime(made)).isEqualTo(before);
    List<String> hashes = new ArrayList<>(List.of(first.hash()));
    hashes.add(run(data(dataset, 129, Overlong.DROP)).hash());
    hashes.add(run(data(dataset, 128, Overlong.SPLIT)).hash());
    hashes.add(run(data(dataset, 128, Overlong.DROP, Optional.of("chatml"), false)).hash());
    hashes.add(run(data(dataset, 128, Overlong.DROP, Optional.of("llama3"), true)).hash());
    Files.write(dataset.resolve("test_dataset.json"), lines(40, 45));
    hashes.add(run(data(dataset, 128, Overlong.DROP)).hash());
    assertThat(hashes).doesNotHaveDuplicates();
    try (Stream<Path> left = Files.list(folder.resolve("cache"))) {
      assertThat(left.map(path -> path.getFileName().toString()))
          .allMatch(name -> name.startsWith("tokenized-"));
    }
  }

  @Test
  void a_folder_without_its_manifest_is_made_anew() throws IOException {
    Path dataset = jsonDataset(30, 5);
    TokenizedDataset first = run(data(dataset, 128, Overlong.DROP));
    Path made = Path.of(first.path().toUri());
    Files.delete(made.resolve("tokenized.json"));
    Files.delete(made.resolve("train-00000.parquet"));
    assertThat(run(data(dataset, 128, Overlong.DROP))).isEqualTo(first);
    assertThat(made.resolve("train-00000.parquet")).exists();
  }

  @Test
  void split_samples_continue_in_further_pieces() throws IOException {
    Path dataset = jsonDataset(3, 1);
    TokenizedDataset tokenized = run(data(dataset, 20, Overlong.SPLIT));
    assertThat(tokenized.train().packing().split()).isEqualTo(3);
    String all =
        String.join("", rows(tokenized, "train").stream().map(TokenizeJobSparkTest::text).toList());
    assertThat(all).contains("^|user|\n\nq0||assista", "nt|\n\na0|");
  }

  @Test
  void assistant_only_loss_trains_what_the_assistant_says() throws IOException {
    TokenizedDataset tokenized =
        run(data(jsonDataset(10, 1), 128, Overlong.DROP, Optional.of("llama3"), true));
    // "a", one digit, the end of the turn.
    assertThat(tokenized.train().trainedTokens()).isEqualTo(30);
  }

  @Test
  void a_data_set_that_cannot_be_trained_on_is_said() throws IOException {
    Path dataset = jsonDataset(10, 1);
    assertThatThrownBy(() -> run(data(dataset, 10, Overlong.DROP)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("max_seq_length: 10, but no sample of the train split is that short")
        .hasMessageContaining("the shortest has 28 tokens, the longest 37");
    Path template =
        Files.writeString(
            folder.resolve("t.jinja"),
            "{% for m in messages %}{{ m.content }}{% generation %}{% endgeneration %}{% endfor"
                + " %}");
    assertThatThrownBy(
            () ->
                run(
                    data(
                        dataset,
                        64,
                        Overlong.DROP,
                        Optional.of(template.toUri().toString()),
                        true)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("Nothing of the train split would be trained");
    assertThatThrownBy(() -> run(data(folder.resolve("nowhere"), 64, Overlong.DROP)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("neither train/*.parquet nor train_dataset.json");
  }

  @Test
  void the_first_broken_conversation_is_named() throws IOException {
    Path dataset = jsonDataset(600, 1);
    List<String> lines = new ArrayList<>(lines(0, 600));
    lines.set(310, "{\"messages\": [{\"role\": \"user\", \"content\": 5}]}");
    lines.set(590, "{");
    Files.write(dataset.resolve("train_dataset.json"), lines);
    assertThatThrownBy(() -> run(data(dataset, 64, Overlong.DROP)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("Conversation 311")
        .hasMessageContaining("train_dataset.json")
        .hasMessageContaining("without a text as role or as content");
    Path refuses =
        Files.writeString(
            folder.resolve("r.jinja"),
            "{% for m in messages %}{% if m.content == 'q???3' %}{{ raise_exception('no three')"
                + " }}{% endif %}{{ m.content }}{% endfor %}");
    Files.write(dataset.resolve("train_dataset.json"), lines(0, 600));
    assertThatThrownBy(
            () ->
                run(
                    data(
                        dataset,
                        64,
                        Overlong.DROP,
                        Optional.of(refuses.toUri().toString()),
                        false)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("Conversation 4 of")
        .hasMessageContaining("no three");
  }

  @Test
  void where_another_driver_is_at_work_nothing_is_tokenised() throws IOException {
    RunFolder run = RunFolder.of(folder.resolve("run").toString());
    TokenizeRequest request =
        new TokenizeRequest(
            data(jsonDataset(7, 1), 256, Overlong.DROP),
            TinyTokenizer.files(),
            new org.apache.hadoop.fs.Path(run.root(), "tokenized"));
    Pace quick = new Pace(Duration.ofMillis(10), 60, () -> {});
    try (RunLock other =
        RunLock.acquire(run.lock(), new Store(new Configuration()), quick, () -> {})) {
      assertThat(other).isNotNull();
      assertThatThrownBy(() -> new TokenizeJob(spark).run(request, run))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("Another driver is at work");
      assertThat(folder.resolve("run/tokenized")).doesNotExist();
    }
    assertThat(new TokenizeJob(spark).run(request, run).train().packing().samples()).isEqualTo(7);
  }
}
