package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.LongStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.EvaluateConfig;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.ModelChoice.MergeBase;
import org.sparkfinetune.config.Sampling;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.evaluate.EvaluationReport;
import org.sparkfinetune.inference.evaluate.ModelResult.Mean;
import org.sparkfinetune.inference.evaluate.SampleResult;
import org.sparkfinetune.inference.export.Merge;
import org.sparkfinetune.inference.export.Merge.MergeRequest;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.safetensors.Checkpoint;
import org.sparkfinetune.spark.evaluate.EvaluateJob;
import org.sparkfinetune.store.Store;

/** Whole runs on two executor processes: cut off in several ways, they end as if nothing was. */
class TrainDriverClusterTest {
  private static final String[] TO_THE_END = {"--max_steps", "16"};

  @TempDir static Path folder;
  private static JavaSparkContext spark;
  private static SampleRun sample;
  private static Path uninterrupted;

  @BeforeAll
  static void trainOnce() throws IOException {
    spark = Contexts.twoExecutors(1);
    sample = new SampleRun(folder);
    uninterrupted = folder.resolve("uninterrupted");
    sample.train(spark, uninterrupted, TO_THE_END);
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  @Test
  void a_run_leaves_an_adapter_metrics_and_its_last_checkpoints() throws IOException {
    assertThat(SampleRun.adapter(uninterrupted)).hasSizeGreaterThan(10_000);
    assertThat(steps(uninterrupted)).isEqualTo(LongStream.rangeClosed(1, 16).boxed().toList());
    assertThat(SampleRun.summary(uninterrupted).path("attempts").asInt()).isEqualTo(1);
    assertThat(SampleRun.checkpoints(uninterrupted))
        .containsExactly("step-00000008", "step-00000012", "step-00000016");
    for (String phase : List.of("load", "forward", "backward")) {
      assertThat(
              SampleRun.summary(uninterrupted)
                  .at("/ranks/1/anonymous_bytes_by_phase/" + phase)
                  .asLong())
          .as(phase)
          .isGreaterThan(50L << 20);
    }
    assertThat(uninterrupted.resolve("report.html"))
        .content()
        .contains("Memory by phase", "What is trained", "<mark>");
  }

  @Test
  void a_checkpoint_holds_twelve_bytes_a_trained_parameter() throws IOException {
    long bytes = 0;
    try (var files = Files.list(uninterrupted.resolve("checkpoints/step-00000016"))) {
      for (Path file : files.toList()) {
        bytes += Files.size(file);
      }
    }
    long parameters = (SampleRun.adapter(uninterrupted).length - 10_000) / 4;
    assertThat((double) bytes / (12 * parameters)).isBetween(0.98, 1.05);
  }

  @Test
  void packed_rows_that_a_killed_driver_left_half_made_go_with_the_next_start() throws IOException {
    Path run = folder.resolve("half-packed");
    Path left = Files.createDirectories(run.resolve("tokenized/.tokenized-0123456789abcdef.1.tmp"));
    Files.createFile(left.resolve("train-0.parquet"));
    sample.train(spark, run, "--max_steps", "1");
    assertThat(left).doesNotExist();
  }

  @Test
  void another_number_of_ranks_goes_on_with_the_same_losses() throws IOException {
    Path run = folder.resolve("elastic");
    sample.train(spark, run, "--max_steps", "8");
    Files.delete(run.resolve("summary.json"));
    sample.train(spark, run, "--max_steps", "16", "--num_ranks", "1");
    assertThat(steps(run)).isEqualTo(LongStream.rangeClosed(1, 16).boxed().toList());
    List<Double> expected = losses(uninterrupted);
    List<Double> losses = losses(run);
    for (int i = 0; i < 16; i++) {
      assertThat(losses.get(i)).isCloseTo(expected.get(i), within(1e-4 * expected.get(i)));
    }
  }

  @Test
  void a_damaged_checkpoint_is_passed_over_and_another_runs_is_refused() throws IOException {
    Path run = folder.resolve("damaged");
    sample.train(spark, run, "--max_steps", "12");
    Files.delete(run.resolve("summary.json"));
    Path shard = run.resolve("checkpoints/step-00000012/rank-00001-of-00002.safetensors");
    byte[] bytes = Files.readAllBytes(shard);
    bytes[bytes.length / 2] ^= 1;
    Files.write(shard, bytes, StandardOpenOption.TRUNCATE_EXISTING);
    assertThatThrownBy(
            () ->
                sample.train(
                    spark, run, "--max_steps", "16", "--learning_rate", "1e-3", "--lora_r", "8"))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("step-00000008 was made by another run")
        .hasMessageContaining("learning_rate: 0.002 in the checkpoint, 0.001 now")
        .hasMessageContaining("lora_r: 16 in the checkpoint, 8 now")
        .hasMessageContaining("resume_from_checkpoint: never");
    sample.train(spark, run, TO_THE_END);
    assertThat(SampleRun.adapter(run)).isEqualTo(SampleRun.adapter(uninterrupted));
  }

  /** The embedding is trained too, and the head that was tied to it stays what it was. */
  @Test
  void evaluate_measures_what_the_ranks_measured_with_the_same_answers() throws IOException {
    Path run = folder.resolve("answers");
    sample.train(
        spark,
        run,
        "--max_steps",
        "4",
        "--modules_to_save",
        "embed_tokens",
        "--assistant_only_loss",
        "true",
        "--max_seq_length",
        "48",
        "--overlong",
        "truncate",
        "--eval_metrics",
        "exact_match",
        "--eval_custom_metrics",
        "{right: answer = expected, letters: length(answer)}",
        "--eval_max_new_tokens",
        "8");
    List<JsonNode> recorded = SampleRun.metrics(run, "eval_loss");
    JsonNode last = recorded.get(recorded.size() - 1);

    EvaluationReport report =
        new EvaluateJob(SparkSession.builder().sparkContext(spark.sc()).getOrCreate())
            .run(
                new EvaluateConfig(
                    new ModelChoice(
                        SampleRun.MODEL.toString(),
                        Optional.empty(),
                        Optional.empty(),
                        Optional.empty(),
                        Optional.empty()),
                    Optional.of(List.of(run.resolve("adapter").toString())),
                    sample.data().toString(),
                    Optional.empty(),
                    Set.of(Metric.LOSS, Metric.EXACT_MATCH),
                    Optional.empty(),
                    false,
                    Optional.of(folder.toString()),
                    Optional.empty(),
                    Sampling.greedy(8, 1),
                    OptionalInt.of(8)));

    assertThatAnswersAreThoseOf(report, last);
    Mean loss = report.models().get("adapter").loss().orElseThrow();
    assertThat(loss.tokens()).isEqualTo(last.path("eval_trained_tokens").asLong());
    assertThat(loss.value()).isCloseTo(last.path("eval_loss").asDouble(), within(1e-4));
    assertThat(report.about().get("loss_over"))
        .isEqualTo("the assistant's turns, max_seq_length 48 (longer ones: truncate)");
    assertThatMergingUntiesTheHead(run.resolve("adapter"));
  }

  private static void assertThatAnswersAreThoseOf(EvaluationReport report, JsonNode evaluation) {
    List<SampleResult> samples = report.models().get("adapter").samples();
    assertThat(evaluation.path("eval_answers")).hasSize(2);
    for (int i = 0; i < 2; i++) {
      JsonNode answer = evaluation.path("eval_answers").path(i);
      assertThat(answer.path("answer").asText())
          .isEqualTo(samples.get(i).answer().orElseThrow().text());
      assertThat(answer.path("expected").asText()).isEqualTo(report.expected().get(i));
    }
    assertThat(evaluation.path("eval_letters").asDouble())
        .isEqualTo(
            samples.stream()
                .mapToInt(sample -> sample.answer().orElseThrow().text().length())
                .average()
                .orElseThrow());
    assertThat(evaluation.path("eval_right")).isEqualTo(evaluation.path("eval_exact_match"));
    assertThat(evaluation.path("eval_generated_tokens").asInt()).isBetween(4, 32);
  }

  private static void assertThatMergingUntiesTheHead(Path adapter) throws IOException {
    Store store = new Store(new Configuration());
    Path merged = folder.resolve("merged");
    new Merge(store)
        .run(
            new MergeRequest(
                hadoopPath(SampleRun.MODEL),
                Optional.of(hadoopPath(adapter)),
                hadoopPath(merged),
                MergeBase.DEQUANTIZED,
                Optional.empty(),
                1L << 30));
    try (Checkpoint base = Checkpoint.open(hadoopPath(SampleRun.MODEL), store);
        Checkpoint made = Checkpoint.open(hadoopPath(merged), store)) {
      byte[] embedding = bytes(base, DecoderWeights.EMBED_TOKENS);
      assertThat(bytes(made, DecoderWeights.LM_HEAD)).isEqualTo(embedding);
      assertThat(bytes(made, DecoderWeights.EMBED_TOKENS)).isNotEqualTo(embedding);
    }
    assertThat(merged.resolve("config.json"))
        .content()
        .containsPattern("\"tie_word_embeddings\" *: *false");
  }

  private static byte[] bytes(Checkpoint checkpoint, String name) {
    ByteBuffer bytes = ByteBuffer.allocate((int) checkpoint.info(name).byteCount());
    checkpoint.read(name, 0, bytes);
    return bytes.array();
  }

  private static org.apache.hadoop.fs.Path hadoopPath(Path path) {
    return new org.apache.hadoop.fs.Path(path.toUri());
  }

  private static List<Long> steps(Path run) throws IOException {
    return SampleRun.metrics(run, "loss").stream().map(line -> line.path("step").asLong()).toList();
  }

  private static List<Double> losses(Path run) throws IOException {
    return SampleRun.metrics(run, "loss").stream()
        .map((JsonNode line) -> line.path("loss").asDouble())
        .toList();
  }
}
