package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
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
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.check.CheckReport;
import org.sparkfinetune.spark.check.TrainCheck;
import org.sparkfinetune.spark.prepare.Prepare;
import org.sparkfinetune.store.Store;

/** Preferences, from the rows that people have to a model that prefers. */
class PreferenceSparkTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int TRAIN = 24;
  private static final int TEST = 6;

  @TempDir static Path folder;
  private static JavaSparkContext spark;
  private static SampleRun sample;
  private static Path data;
  private static Path run;

  @BeforeAll
  static void trainOnce() throws IOException {
    spark = Contexts.local();
    sample = new SampleRun(folder.resolve("conversations"));
    data = folder.resolve("data");
    prepare(data, rows(TRAIN + TEST));
    run = folder.resolve("run");
    train(run);
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  /** To each question of the sample its query, and the next question's. */
  private static List<ObjectNode> rows(int count) throws IOException {
    List<JsonNode> questions = new ArrayList<>();
    try (Stream<String> lines = Files.lines(SampleRun.MODEL.resolveSibling("rows.jsonl"))) {
      for (String line : lines.limit(count + 1).toList()) {
        questions.add(JSON.readTree(line));
      }
    }
    List<ObjectNode> rows = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      ObjectNode row = JSON.createObjectNode();
      row.set("prompt", questions.get(i).path("question"));
      row.set("chosen", questions.get(i).path("answer"));
      row.set("rejected", questions.get(i + 1).path("answer"));
      rows.add(row);
    }
    return rows;
  }

  private static void prepare(Path output, List<ObjectNode> rows) throws IOException {
    Path input = Files.createTempFile(folder, "pairs", ".jsonl");
    Files.write(input, rows.stream().map(ObjectNode::toString).toList());
    List<String> words =
        List.of(
            "--dataset", "preference",
            "--input", input.toString(),
            "--output", output.toString(),
            "--test_size", Integer.toString(TEST),
            "--seed", "1");
    new Prepare(
            session(),
            new ConfigLoader(new Configuration()).prepare(Optional.empty(), words).config())
        .run();
  }

  private static SparkSession session() {
    return SparkSession.builder().sparkContext(spark.sc()).getOrCreate();
  }

  private static void train(Path run, String... more) {
    sample.train(spark, run, keys(data, more));
  }

  private static String[] keys(Path dataset, String... more) {
    List<String> keys =
        new ArrayList<>(
            List.of(
                "--objective", "dpo",
                "--dataset_path", dataset.toString(),
                "--per_device_train_batch_size", "8",
                "--max_seq_length", "256",
                "--max_steps", "12",
                "--learning_rate", "2e-3",
                "--logging_steps", "3",
                "--eval_strategy", "steps",
                "--eval_steps", "6",
                "--eval_on_start", "true"));
    keys.addAll(List.of(more));
    return keys.toArray(new String[0]);
  }

  @Test
  void the_model_learns_to_prefer_and_says_so_by_the_names_of_trl() throws IOException {
    List<JsonNode> evaluations = SampleRun.metrics(run, "eval_loss");
    assertThat(evaluations).hasSize(3);
    JsonNode first = evaluations.get(0);
    assertThat(first.path("eval_loss").asDouble()).isEqualTo(Math.log(2));
    assertThat(first.path("eval_rewards/margins").asDouble()).isZero();
    JsonNode last = evaluations.get(2);
    double margin =
        last.path("eval_rewards/chosen").asDouble() - last.path("eval_rewards/rejected").asDouble();
    assertThat(last.path("eval_rewards/margins").asDouble())
        .isCloseTo(margin, within(1e-9))
        .isNotZero();
    List<JsonNode> steps = SampleRun.metrics(run, "rewards/accuracies");
    assertThat(steps).hasSize(4);
    assertThat(steps.get(3).path("loss").asDouble())
        .isLessThan(steps.get(0).path("loss").asDouble());
    assertThat(steps.get(3).path("rewards/margins").asDouble()).isPositive();
    for (String name :
        List.of("rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected")) {
      assertThat(steps).allMatch(step -> step.path(name).isNumber());
      assertThat(evaluations).allMatch(step -> step.path("eval_" + name).isNumber());
    }
    assertThat(Files.readString(run.resolve("report.html")))
        .contains("aria-label=\"rewards/accuracies\"", "aria-label=\"rewards/margins\"");
  }

  /** With the reference that the run began with. */
  @Test
  void a_run_that_was_cut_off_ends_with_the_same_adapter() throws IOException {
    Path cut = folder.resolve("cut");
    train(cut, "--max_steps", "5");
    Files.delete(cut.resolve("summary.json"));
    train(cut);
    assertThat(SampleRun.adapter(cut)).isEqualTo(SampleRun.adapter(run));
    assertThat(last(cut)).isEqualTo(last(run));
  }

  private static List<JsonNode> last(Path run) throws IOException {
    List<JsonNode> lines = SampleRun.metrics(run, "rewards/accuracies");
    JsonNode last = lines.get(lines.size() - 1);
    return List.of(last.path("loss"), last.path("rewards/margins"), last.path("logps/chosen"));
  }

  @Test
  void without_its_reference_a_run_does_not_go_on() throws IOException {
    Path cut = folder.resolve("without");
    train(cut, "--max_steps", "5");
    Files.delete(cut.resolve("summary.json"));
    try (Stream<Path> files = Files.list(cut.resolve("tokenized"))) {
      for (Path file : files.filter(f -> f.toString().endsWith(".safetensors")).toList()) {
        Files.delete(file);
      }
    }
    assertThatThrownBy(() -> train(cut, "--max_attempts", "1"))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("The reference's log-probabilities of this run's pairs are gone")
        .hasMessageContaining("resume_from_checkpoint: never");
  }

  /** A folder with the columns of ultrafeedback_binarized, which nobody prepared. */
  @Test
  void parquet_files_with_both_sides_as_messages_are_taken_as_they_are() throws IOException {
    Path published = folder.resolve("published");
    for (String split : List.of("train", "test")) {
      session()
          .read()
          .parquet(data.resolve(split).toString())
          .selectExpr(
              "messages",
              "from_json(rejected, 'array<struct<content:string,role:string>>') as rejected",
              "1.5D as score_chosen")
          .coalesce(1)
          .write()
          .parquet(published.resolve(split).toString());
    }
    Path again = folder.resolve("again");
    sample.train(
        spark,
        again,
        keys(published, "--max_steps", "1", "--eval_strategy", "no", "--eval_on_start", "false"));
    assertThat(SampleRun.metrics(again, "rewards/accuracies")).hasSize(1);
  }

  @Test
  void conversations_without_another_side_are_refused_by_place() {
    assertThatThrownBy(() -> sample.train(spark, folder.resolve("refused"), "--objective", "dpo"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("Conversation 1 of '")
        .hasMessageContaining("there is no rejected answer; let prepare make the data set");
  }

  @Test
  void pairs_with_a_sequence_that_is_too_long_are_left_out_or_cut() throws IOException {
    List<ObjectNode> rows = rows(TRAIN + TEST);
    rows.forEach(row -> row.put("rejected", row.path("rejected").asText() + " x".repeat(200)));
    rows.subList(0, 20).forEach(row -> row.put("rejected", "SELECT 1"));
    Path mixed = folder.resolve("mixed");
    prepare(mixed, rows);
    String[] keys = {
      "--max_seq_length",
      "128",
      "--max_steps",
      "1",
      "--eval_strategy",
      "no",
      "--eval_on_start",
      "false"
    };
    Path dropped = folder.resolve("dropped");
    sample.train(spark, dropped, keys(mixed, keys));
    Path cut = folder.resolve("truncated");
    String[] more = Arrays.copyOf(keys, keys.length + 2);
    more[keys.length] = "--overlong";
    more[keys.length + 1] = "truncate";
    sample.train(spark, cut, keys(mixed, more));
    JsonNode few = packing(dropped);
    JsonNode all = packing(cut);
    assertThat(few.path("dropped").asInt() + few.path("packed").asInt()).isEqualTo(TRAIN);
    assertThat(few.path("dropped").asInt()).isPositive();
    assertThat(all.path("truncated").asInt()).isEqualTo(few.path("dropped").asInt());
    assertThat(all.path("packed").asInt()).isEqualTo(TRAIN);
    assertThat(all.path("rowLength").asInt()).isEqualTo(256);
    assertThat(all.path("longestRow").asInt()).isLessThanOrEqualTo(256).isGreaterThan(128);
  }

  /** Of the training split, as the cache of packed rows has it. */
  private static JsonNode packing(Path run) throws IOException {
    try (Stream<Path> files = Files.walk(run.resolve("tokenized"))) {
      Path report =
          files
              .filter(file -> file.getFileName().toString().equals("tokenized.json"))
              .findFirst()
              .orElseThrow();
      return JSON.readTree(report.toFile()).path("train").path("packing");
    }
  }

  @Test
  void check_shows_both_sequences_of_pairs() {
    CheckReport report = check(keys(data));
    assertThat(report.lines().toString())
        .contains("the first " + 2 * TRAIN + " sequences of pairs have");
    assertThat(report.samples()).hasSize(2);
    assertThat(report.samples().get(0).tokens()).isPositive();
  }

  private static CheckReport check(String... keys) {
    List<String> words = new ArrayList<>(List.of("--model_id", SampleRun.MODEL.toString()));
    words.addAll(List.of("--output_dir", folder.resolve("checked").toString()));
    words.addAll(Arrays.asList(keys));
    Loaded<TrainConfig> loaded =
        new ConfigLoader(new Configuration()).train(Optional.empty(), words);
    return new TrainCheck(loaded, new Store(new Configuration()))
        .run(spark.getConf(), PreferenceSparkTest::session);
  }

  @Test
  void what_does_not_go_with_pairs_is_refused() {
    refused("split, but objective is dpo, whose answers are judged whole", "--overlong", "split");
    refused(
        "cross_sample_attention is true, but objective is dpo", "--cross_sample_attention", "true");
    refused(
        "label_smoothing_factor is 0.1, but objective is dpo", "--label_smoothing_factor", "0.1");
    refused("loss_type is nll, which belongs to objective: sft", "--loss_type", "nll");
    refused(
        "loss_type is hinge, which train does not have; allowed: sigmoid, ipo, sft",
        "--loss_type",
        "hinge");
    refused(
        "loss_weights is [1, 2], but loss_type is [ipo]",
        "--loss_type",
        "ipo",
        "--loss_weights",
        "1,2");
    refused(
        "rpo_alpha is 0.5, but loss_type has sft already",
        "--loss_type",
        "sft",
        "--rpo_alpha",
        "0.5");
    assertThatThrownBy(() -> sample.train(spark, folder.resolve("refused"), "--loss_type", "ipo"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("loss_type is ipo, which belongs to objective: dpo");
  }

  private static void refused(String message, String... keys) {
    assertThatThrownBy(() -> train(folder.resolve("refused"), keys))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(message);
  }
}
