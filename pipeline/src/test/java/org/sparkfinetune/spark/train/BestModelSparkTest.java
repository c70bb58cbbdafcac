package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.UserError;

/** Runs whose result is the model of the best evaluation, and that end when nothing gets better. */
class BestModelSparkTest {
  private static final String[] STEERED = {
    "--learning_rate", "5e-2",
    "--eval_strategy", "steps",
    "--eval_steps", "2",
    "--save_steps", "5",
    "--save_total_limit", "1",
    "--load_best_model_at_end", "true",
    "--early_stopping_patience", "3"
  };

  @TempDir static Path folder;
  private static JavaSparkContext spark;
  private static SampleRun sample;
  private static Path uninterrupted;

  @BeforeAll
  static void trainOnce() throws IOException {
    spark = Contexts.local();
    sample = new SampleRun(folder);
    uninterrupted = folder.resolve("uninterrupted");
    sample.train(spark, uninterrupted, STEERED);
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  private static String[] with(String... more) {
    String[] all = java.util.Arrays.copyOf(STEERED, STEERED.length + more.length);
    System.arraycopy(more, 0, all, STEERED.length, more.length);
    return all;
  }

  private static long best() throws IOException {
    return SampleRun.metrics(uninterrupted, "eval_loss").stream()
        .min(Comparator.comparingDouble(line -> line.path("eval_loss").asDouble()))
        .orElseThrow()
        .path("step")
        .asLong();
  }

  @Test
  void the_run_ends_early_and_its_result_is_the_best_evaluations_model() throws IOException {
    JsonNode summary = SampleRun.summary(uninterrupted);
    List<JsonNode> evaluations = SampleRun.metrics(uninterrupted, "eval_loss");
    long last = evaluations.get(evaluations.size() - 1).path("step").asLong();
    assertThat(last).isEqualTo(best() + 6).isLessThan(24);
    assertThat(summary.path("steps").asLong()).isEqualTo(last);
    assertThat(summary.path("best_step").asLong()).isEqualTo(best());
    assertThat(summary.path("eval_loss").asDouble())
        .isGreaterThan(summary.path("best_metric").asDouble());
    assertThat(SampleRun.checkpoints(uninterrupted)).contains("step-%08d".formatted(best()));
    assertThat(Files.readString(uninterrupted.resolve("report.html")))
        .contains("best eval_loss, the result");

    Path shorter = folder.resolve("shorter");
    sample.train(spark, shorter, with("--max_steps", Long.toString(best())));
    assertThat(SampleRun.adapter(uninterrupted)).isEqualTo(SampleRun.adapter(shorter));
  }

  @Test
  void a_run_that_was_cut_off_behind_its_best_evaluation_chooses_the_same() throws IOException {
    Path run = folder.resolve("cut-off");
    sample.train(spark, run, with("--max_steps", Long.toString(best() + 2)));
    Files.delete(run.resolve("summary.json"));
    sample.train(spark, run, STEERED);
    assertThat(SampleRun.adapter(run)).isEqualTo(SampleRun.adapter(uninterrupted));
    assertThat(SampleRun.summary(run).path("best_step").asLong()).isEqualTo(best());
    assertThat(SampleRun.summary(run).path("steps"))
        .isEqualTo(SampleRun.summary(uninterrupted).path("steps"));
  }

  /** Sixteen bytes of state a number become four; the best evaluation's model is still found. */
  @Test
  void checkpoints_of_the_model_alone_give_the_best_and_no_run_goes_on_from_them()
      throws IOException {
    Path run = folder.resolve("model-only");
    String[] more = with("--save_only_model", "true", "--logging_steps", "5");
    sample.train(
        spark,
        run,
        Stream.concat(Stream.of(more), Stream.of("--logging_first_step", "true"))
            .toArray(String[]::new));
    assertThat(SampleRun.adapter(run)).isEqualTo(SampleRun.adapter(uninterrupted));
    assertThat(SampleRun.summary(run).path("best_step").asLong()).isEqualTo(best());
    assertThat(
            SampleRun.metrics(run, "loss").stream()
                .map(line -> line.path("step").asLong())
                .limit(3))
        .containsExactly(1L, 5L, 10L);
    String checkpoint = "checkpoints/step-%08d".formatted(best());
    assertThat(bytes(run.resolve(checkpoint)) * 2)
        .isLessThan(bytes(uninterrupted.resolve(checkpoint)));
    Files.delete(run.resolve("summary.json"));
    assertThatThrownBy(() -> sample.train(spark, run, more))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("holds the model alone, because save_only_model was true")
        .hasMessageContaining("or be never to begin again");
    assertThatThrownBy(
            () ->
                sample.train(
                    spark,
                    folder.resolve("elsewhere"),
                    with("--resume_from_checkpoint", run.resolve(checkpoint).toString())))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(checkpoint + " holds the model alone");
    sample.train(
        spark, run, with("--save_only_model", "true", "--resume_from_checkpoint", "never"));
    assertThat(SampleRun.adapter(run)).isEqualTo(SampleRun.adapter(uninterrupted));
  }

  private static long bytes(Path checkpoint) throws IOException {
    try (Stream<Path> files = Files.list(checkpoint)) {
      return files
          .filter(file -> file.toString().endsWith(".safetensors"))
          .mapToLong(file -> file.toFile().length())
          .sum();
    }
  }

  @Test
  void a_metric_that_no_evaluation_gives_is_refused_before_training() {
    assertThatThrownBy(
            () ->
                sample.train(
                    spark, folder.resolve("none"), with("--metric_for_best_model", "accuracy")))
        .isInstanceOf(UserError.class)
        .hasMessage("metric_for_best_model is accuracy, but an evaluation gives eval_loss");
    assertThat(folder.resolve("none/config.yaml")).doesNotExist();
  }
}
