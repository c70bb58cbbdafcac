package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.prepare.Prepare;
import org.sparkfinetune.spark.why.Why;
import org.sparkfinetune.spark.why.WhyAnswer;
import org.sparkfinetune.spark.why.WhyAnswer.Use;

/** A mixture of two sources: the loss of each, and who trained on what. */
class MixtureTrainSparkTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path ROWS = SampleRun.MODEL.resolveSibling("rows.jsonl");

  @TempDir static Path folder;
  private static JavaSparkContext context;
  private static SparkSession spark;
  private static SampleRun sample;

  @BeforeAll
  static void prepareAndTrain() throws IOException {
    context = Contexts.local();
    spark = SparkSession.builder().sparkContext(context.sc()).getOrCreate();
    sample = new SampleRun(folder);
    List<String> sql = new ArrayList<>();
    List<String> faq = new ArrayList<>();
    try (Stream<String> lines = Files.lines(ROWS)) {
      for (String line : lines.limit(60).toList()) {
        JsonNode row = JSON.readTree(line);
        (sql.size() < 40 ? sql : faq)
            .add(
                JSON.createObjectNode()
                    .put("prompt", row.path("question").asText())
                    .put("completion", row.path("answer").asText())
                    .toString());
      }
    }
    faq.add("{\"prompt\": \"long\", \"completion\": \"%s\"}".formatted("SELECT a ".repeat(200)));
    Files.write(folder.resolve("sql.jsonl"), sql);
    Files.write(folder.resolve("faq.jsonl"), faq);
    Path yaml =
        Files.writeString(
            folder.resolve("mix.yaml"),
            """
            output: %1$s/mixed
            test_size: 0.4
            sources:
              - {name: sql, dataset: instruction, input: %1$s/sql.jsonl}
              - {name: faq, dataset: instruction, input: %1$s/faq.jsonl}
            """
                .formatted(folder));
    new Prepare(
            spark,
            new ConfigLoader(new Configuration())
                .prepare(Optional.of(yaml.toString()), List.of())
                .config())
        .run();
    train("mixed", "2");
  }

  @AfterAll
  static void stop() {
    context.stop();
  }

  private static void train(String dataset, String epochs) {
    sample.train(
        context,
        folder.resolve("runs/" + dataset),
        "--dataset_path",
        folder.resolve(dataset).toString(),
        "--max_steps",
        "-1",
        "--num_train_epochs",
        epochs,
        "--eval_on_start",
        "true",
        "--save_strategy",
        "no");
  }

  private static JsonNode firstEvaluation(String run) throws IOException {
    return SampleRun.metrics(folder.resolve("runs/" + run), "eval_loss").get(0);
  }

  @Test
  void each_source_has_the_loss_that_its_test_rows_have_alone() throws IOException {
    JsonNode mixed = firstEvaluation("mixed");
    double sum = 0;
    long tokens = 0;
    for (String source : List.of("sql", "faq")) {
      Path alone = folder.resolve(source + "-alone");
      for (String split : List.of("train", "test")) {
        spark
            .read()
            .parquet(folder.resolve("mixed/" + split).toString())
            .where("source = '%s'".formatted(source))
            .coalesce(1)
            .write()
            .parquet(alone.resolve(split).toString());
      }
      train(source + "-alone", "1");
      JsonNode own = firstEvaluation(source + "-alone");
      assertThat(mixed.path("eval_loss/" + source).asDouble())
          .isCloseTo(own.path("eval_loss").asDouble(), within(1e-6));
      assertThat(own.fieldNames()).toIterable().noneMatch(name -> name.startsWith("eval_loss/"));
      sum += own.path("eval_loss").asDouble() * own.path("eval_trained_tokens").asLong();
      tokens += own.path("eval_trained_tokens").asLong();
    }
    assertThat(mixed.path("eval_trained_tokens").asLong()).isEqualTo(tokens);
    assertThat(mixed.path("eval_loss").asDouble()).isCloseTo(sum / tokens, within(1e-6));
  }

  @Test
  void tensorboard_and_report_show_the_sources() throws IOException {
    Path run = folder.resolve("runs/mixed");
    assertThat(run.resolve("report.html")).content().contains("Evaluation loss by source");
    try (Stream<Path> files = Files.list(run.resolve("tensorboard"))) {
      Path events =
          files.filter(file -> !file.toString().endsWith(".crc")).findFirst().orElseThrow();
      assertThat(Files.readString(events, StandardCharsets.ISO_8859_1))
          .contains("eval/loss/sql")
          .contains("eval/loss/faq");
    }
  }

  private WhyAnswer why(String where) {
    String id =
        spark
            .read()
            .parquet(folder.resolve("mixed/train") + "", folder.resolve("mixed/test") + "")
            .join(spark.read().parquet(folder.resolve("mixed/provenance") + ""), "id")
            .where(where)
            .select("id")
            .first()
            .getString(0);
    return new Why(spark, folder.resolve("mixed").toString())
        .ask(id, Optional.of(folder.resolve("runs").toString()));
  }

  private static Use use(WhyAnswer answer) {
    return answer.runs().stream()
        .filter(run -> run.folder().endsWith("/mixed"))
        .findFirst()
        .orElseThrow()
        .use();
  }

  @Test
  void why_says_which_runs_trained_on_a_conversation() throws IOException {
    String fits = "length(messages[1].content) < 500 and split = ";
    WhyAnswer trained = why(fits + "'train'");
    assertThat(use(trained)).isEqualTo(Use.TRAINED);
    WhyAnswer.Found found = trained.found().get(0);
    List<String> file = Files.readAllLines(Path.of(java.net.URI.create(found.origin().file())));
    String question = JSON.readTree(found.messages()).path(0).path("content").asText();
    assertThat(JSON.readTree(file.get((int) found.origin().row() - 1)).path("prompt").asText())
        .isEqualTo(question);
    assertThat(trained.lines())
        .anyMatch(line -> line.matches("run +\\S+/mixed: trained on it \\(epoch 2.00\\)"));
    assertThat(JSON.readTree(trained.json()).path("runs").path(0).path("use").isTextual()).isTrue();
    assertThat(use(why(fits + "'test'"))).isEqualTo(Use.EVALUATED);
    assertThat(use(why("length(messages[1].content) > 500"))).isEqualTo(Use.LEFT_OUT);
  }

  @Test
  void what_why_cannot_find_it_says() {
    String mixed = folder.resolve("mixed").toString();
    assertThatThrownBy(() -> new Why(spark, mixed).ask("abc", Optional.empty()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("'abc' is no id");
    assertThatThrownBy(() -> new Why(spark, mixed).ask("0".repeat(20), Optional.empty()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("No conversation of ");
    assertThatThrownBy(
            () -> new Why(spark, sample.data().toString()).ask("0".repeat(20), Optional.empty()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("there is no report.json");
    assertThatThrownBy(() -> new Why(spark, mixed + "-2").ask("0".repeat(20), Optional.empty()))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("there is no folder '");
  }
}
