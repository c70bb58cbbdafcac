package org.sparkfinetune.spark.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.bench.ModelMaker;
import org.sparkfinetune.bench.ModelShape;
import org.sparkfinetune.config.CsvFormat;
import org.sparkfinetune.config.EvaluateConfig;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.config.GenerateConfig;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.Sampling;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.evaluate.EvaluationReport;
import org.sparkfinetune.spark.evaluate.EvaluateJob;
import org.sparkfinetune.spark.train.SampleRun;
import org.sparkfinetune.testing.SparkSessions;

/** Batch inference and evaluation over an untrained model of the shipped one's shape. */
final class GenerateJobSparkTest {
  private static final AtomicInteger COMPUTED = new AtomicInteger();

  @TempDir private static Path untrained;
  private static SparkSession spark;

  @TempDir Path folder;

  @BeforeAll
  static void session() throws IOException {
    spark = SparkSessions.shared();
    ModelMaker.write(ModelShape.named("sample"), 42, untrained);
    for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
      Files.copy(SampleRun.MODEL.resolve(file), untrained.resolve(file));
    }
  }

  private static ModelChoice model() {
    return new ModelChoice(
        untrained.toString(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  private Path write(String name, List<String> lines) throws IOException {
    return Files.write(folder.resolve(name), lines);
  }

  private static String conversation(int i) {
    return ("{\"id\": %d, \"messages\": [{\"role\": \"system\", \"content\": \"CREATE TABLE t (a"
            + " INTEGER)\"}, {\"role\": \"user\", \"content\": \"How many %d?\"}, {\"role\":"
            + " \"assistant\", \"content\": \"SELECT a FROM t\"}]}")
        .formatted(i, i);
  }

  @Test
  void an_adapter_that_is_not_there_is_told_before_anything_is_measured() throws Exception {
    Path data = Files.createDirectory(folder.resolve("data"));
    Path input = Files.write(data.resolve("test_dataset.json"), List.of(conversation(1)));
    String nowhere = folder.resolve("nowhere/adapter").toString();
    ModelChoice adapted = model().at(untrained.toString(), Optional.of(nowhere), Optional.empty());
    EvaluateConfig config =
        new EvaluateConfig(
            model(),
            Optional.of(List.of(nowhere)),
            data.toString(),
            Optional.empty(),
            Set.of(Metric.LOSS),
            Optional.empty(),
            true,
            Optional.empty(),
            Optional.empty(),
            Sampling.greedy(5, 2),
            OptionalInt.empty());
    GenerateConfig.Batch batch =
        new GenerateConfig.Batch(
            input.toString(), "messages", folder.resolve("answers").toString(), CsvFormat.RFC_4180);
    for (ThrowingCallable job :
        List.<ThrowingCallable>of(
            () -> new EvaluateJob(spark).run(config),
            () -> new GenerateJob(spark).run(batch, adapted, Sampling.greedy(5, 2)))) {
      assertThatThrownBy(job)
          .isInstanceOf(UserError.class)
          .hasMessageContaining(nowhere + " has no adapter_config.json");
    }
  }

  @Test
  void every_row_is_answered_once_and_the_same_however_rows_are_spread() throws Exception {
    Path input =
        write(
            "questions.jsonl",
            IntStream.range(0, 40).mapToObj(GenerateJobSparkTest::conversation).toList());
    String output = folder.resolve("answers").toString();

    long rows =
        new GenerateJob(spark)
            .run(
                new GenerateConfig.Batch(input.toString(), "messages", output, CsvFormat.RFC_4180),
                model(),
                Sampling.greedy(5, 4));

    assertThat(rows).isEqualTo(40);
    List<Row> answers = spark.read().parquet(output).orderBy("id").collectAsList();
    assertThat(answers.stream().map(row -> row.<Long>getAs("id")).toList())
        .isEqualTo(IntStream.range(0, 40).mapToObj(i -> (long) i).toList());
    assertThat(answers).allMatch(row -> row.<Integer>getAs("answer_tokens") <= 5);
    List<Row> again =
        new GenerateJob(spark)
            .answer(
                spark.read().json(input.toString()).repartition(11),
                "messages",
                model(),
                Sampling.greedy(5, 3))
            .orderBy("id")
            .collectAsList();
    assertThat(again.stream().map(row -> row.<String>getAs("answer")).toList())
        .isEqualTo(answers.stream().map(row -> row.<String>getAs("answer")).toList());
    assertThatThrownBy(
            () ->
                new GenerateJob(spark)
                    .run(
                        new GenerateConfig.Batch(
                            input.toString(), "messages", output, CsvFormat.RFC_4180),
                        model(),
                        Sampling.greedy(5, 4)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("which exists");
  }

  @Test
  void rows_are_read_as_strictly_as_prepare_reads_them() throws Exception {
    Path input =
        write(
            "broken.jsonl",
            List.of(
                conversation(0),
                "[]",
                "{\"id\": 1, \"messages\": \"a text\"}",
                "{\"id\": 2, \"id\": 2, \"messages\": null}",
                "{\"id\": 3} more",
                "{\"id\": 4, \"messages\": [{\"role\": \"user\", \"content\": 7}]}"));
    assertRefused(input, "messages", "4 of 6 rows cannot be taken")
        .hasMessageContaining("not a JSON object. The first: file:")
        .hasMessageContaining("broken.jsonl row 2")
        .hasMessageContaining("a key twice in one object");
    assertRefused(
            write("mixed.jsonl", List.of(conversation(0), "{\"messages\": \"a text\"}")),
            "messages",
            "1 of 2 rows cannot be taken")
        .hasMessageContaining("messages is of type array");
    assertRefused(
        write("numbers.jsonl", List.of("{\"text\": \"SELECT\"}", "{\"text\": 7}")),
        "text",
        "numbers.jsonl row 2: text is of type number");
    assertThat(folder.resolve("refused")).doesNotExist();
  }

  private AbstractThrowableAssert<?, ?> assertRefused(Path input, String column, String message) {
    GenerateConfig.Batch batch =
        new GenerateConfig.Batch(
            input.toString(), column, folder.resolve("refused").toString(), CsvFormat.RFC_4180);
    return assertThatThrownBy(
            () -> new GenerateJob(spark).run(batch, model(), Sampling.greedy(5, 4)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(message);
  }

  @Test
  void an_array_and_a_packed_file_are_read_as_well() throws Exception {
    Path array = write("rows.json", List.of("[{\"text\": \"SELECT\"},", " {\"text\": null}]"));
    String output = folder.resolve("array").toString();
    GenerateConfig.Batch batch =
        new GenerateConfig.Batch(array.toString(), "text", output, CsvFormat.RFC_4180);
    assertThat(new GenerateJob(spark).run(batch, model(), Sampling.greedy(2, 2))).isEqualTo(2);
    assertThat(
            spark.read().parquet(output).select("finish_reason").collectAsList().stream()
                .map(row -> row.getString(0)))
        .contains("error: the prompt is null");
  }

  @Test
  void csv_is_read_with_the_delimiter_that_was_named() throws Exception {
    Path csv = write("rows.csv", List.of("id\ttext", "1\t'SELECT, \"x\"'", "2\tWITH"));
    String output = folder.resolve("csv").toString();
    CsvFormat tabs = new CsvFormat("\t", "'", "'");
    GenerateConfig.Batch batch = new GenerateConfig.Batch(csv.toString(), "text", output, tabs);
    assertThat(new GenerateJob(spark).run(batch, model(), Sampling.greedy(2, 2))).isEqualTo(2);
    assertThat(
            spark.read().parquet(output).select("text").collectAsList().stream()
                .map(row -> row.getString(0)))
        .containsExactlyInAnyOrder("SELECT, \"x\"", "WITH");
  }

  @Test
  void parquet_is_read_beside_a_page_but_not_beside_text() throws Exception {
    Path rows = folder.resolve("rows");
    spark
        .createDataset(List.of("SELECT", "WITH"), Encoders.STRING())
        .toDF("text")
        .write()
        .parquet(rows.toString());
    Files.writeString(rows.resolve("README.md"), "# Rows");
    GenerateConfig.Batch batch =
        new GenerateConfig.Batch(
            rows.toString(), "text", folder.resolve("page").toString(), CsvFormat.RFC_4180);
    assertThat(new GenerateJob(spark).run(batch, model(), Sampling.greedy(2, 2))).isEqualTo(2);
    Files.writeString(rows.resolve("more.jsonl"), "{\"text\": \"SELECT\"}");
    assertRefused(rows, "text", "and text. Name files of one kind, by a glob.");
  }

  @Test
  void nothing_is_computed_before_an_action_and_every_action_finds_the_model() {
    COMPUTED.set(0);
    Dataset<Row> rows =
        spark
            .createDataset(List.of("SELECT", "WITH", "FROM"), Encoders.STRING())
            .map((MapFunction<String, String>) GenerateJobSparkTest::computed, Encoders.STRING())
            .toDF("text")
            // A stage of its own, which adaptive execution runs to learn of its size.
            .distinct();
    Dataset<Row> answers;
    try (GenerateJob job = new GenerateJob(spark)) {
      answers = job.answer(rows, "text", model(), Sampling.greedy(2, 2));
      assertThat(COMPUTED).hasValue(0);
      List<Row> first = answers.collectAsList();
      assertThat(first).hasSize(3);
      assertThat(COMPUTED).hasValue(3);
      assertThat(answers.collectAsList()).containsExactlyInAnyOrderElementsOf(first);
    }
    assertThatThrownBy(answers::collectAsList).hasStackTraceContaining("destroy");
  }

  private static String computed(String text) {
    COMPUTED.incrementAndGet();
    return text;
  }

  @Test
  void a_row_that_cannot_be_answered_says_why_and_the_others_are_answered() {
    List<String> texts = new ArrayList<>(List.of("SELECT", "word ".repeat(20_000)));
    Dataset<Row> rows = spark.createDataset(texts, Encoders.STRING()).toDF("text");

    List<Row> answers =
        new GenerateJob(spark).answer(rows, "text", model(), Sampling.greedy(3, 2)).collectAsList();

    assertThat(
            answers.stream()
                .map(row -> row.<String>getAs("finish_reason"))
                .collect(Collectors.toSet()))
        .anyMatch(reason -> reason.startsWith("error: A prompt has"))
        .anyMatch(reason -> reason.equals("length") || reason.equals("stop"));
    assertThatThrownBy(
            () -> new GenerateJob(spark).answer(rows, "prompt", model(), Sampling.greedy(3, 2)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("column is prompt, but the input has [text]");
  }

  @Test
  void evaluation_measures_loss_and_matches_of_every_sample_in_order() throws Exception {
    write(
        "test_dataset.json",
        IntStream.range(0, 6).mapToObj(GenerateJobSparkTest::conversation).toList());

    EvaluationReport report = evaluated(Optional.empty(), OptionalInt.empty());

    assertThat(report.questions()).hasSize(5);
    assertThat(report.questions().get(3).messages().get(1).content()).isEqualTo("How many 3?");
    var result = report.models().get("base");
    // An untrained model is as good as guessing among its vocabulary.
    assertThat(result.loss().orElseThrow().value()).isBetween(5.0, 10.0);
    assertThat(result.share("execution_match").orElseThrow().hits()).isZero();
    assertThat(result.share("execution_match").orElseThrow().count()).isEqualTo(5);
    assertThat(Files.readString(folder.resolve("evaluation.json")))
        .contains(
            "\"execution_match\"",
            "\"expected\" : \"SELECT a FROM t\"",
            "\"max_new_tokens\" : " + report.about().get("max_new_tokens"));
    // Of the answer and what the template ends it with, twice.
    assertThat((int) report.about().get("max_new_tokens")).isBetween(8, 40);
    assertThat(result.truncated().orElseThrow()).isBetween(1L, 5L);
    assertThat(evaluated(Optional.empty(), OptionalInt.of(2)).about())
        .containsEntry("max_new_tokens", 2);
  }

  private EvaluationReport evaluated(Optional<List<String>> adapters, OptionalInt maxNewTokens) {
    return new EvaluateJob(spark)
        .run(
            new EvaluateConfig(
                model(),
                adapters,
                folder.toString(),
                Optional.of(5),
                Set.of(Metric.values()),
                Optional.of("[a-z]+"),
                true,
                Optional.of(folder.toString()),
                Optional.empty(),
                Sampling.greedy(512, 2),
                maxNewTokens));
  }
}
