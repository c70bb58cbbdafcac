package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.evaluate.AnswerMetric;
import org.sparkfinetune.inference.evaluate.AnsweredSample;

/** Runs that are measured by what their model writes. */
class AnswerMetricsSparkTest {
  private static final List<String> STEERED =
      List.of(
          "--learning_rate", "5e-2",
          "--max_steps", "12",
          "--eval_strategy", "steps",
          "--eval_steps", "3",
          "--save_steps", "3",
          "--eval_max_new_tokens", "16",
          "--eval_custom_metrics",
              "{long: length(answer), short: -length(answer), words: 'class:"
                  + Words.class.getName()
                  + "'}");

  @TempDir static Path folder;
  private static JavaSparkContext spark;
  private static SampleRun sample;
  private static Path run;

  /** A user's own. */
  public static final class Words implements AnswerMetric {
    @Override
    public String name() {
      return "counted otherwise";
    }

    @Override
    public OptionalDouble score(AnsweredSample sample) {
      return OptionalDouble.of(sample.answer().split(" +").length);
    }
  }

  @BeforeAll
  static void trainOnce() throws IOException {
    spark = Contexts.local();
    sample = new SampleRun(folder);
    run = folder.resolve("run");
    sample.train(spark, run, with());
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  private static String[] with(String... more) {
    List<String> all = new ArrayList<>(STEERED);
    all.addAll(List.of(more));
    return all.toArray(new String[0]);
  }

  private static long best(String metric) throws IOException {
    return SampleRun.metrics(run, metric).stream()
        .max(Comparator.comparingDouble(line -> line.path(metric).asDouble()))
        .orElseThrow()
        .path("step")
        .asLong();
  }

  /** The long or the short answers: one of the two is not where the loss is lowest. */
  private static String otherThanTheLoss() throws IOException {
    long lowest =
        SampleRun.metrics(run, "eval_loss").stream()
            .min(Comparator.comparingDouble(line -> line.path("eval_loss").asDouble()))
            .orElseThrow()
            .path("step")
            .asLong();
    return Stream.of("eval_long", "eval_short")
        .filter(
            metric -> {
              try {
                return best(metric) != lowest;
              } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
              }
            })
        .findFirst()
        .orElseThrow();
  }

  @Test
  void the_metric_chooses_the_model_though_the_run_was_cut_off() throws IOException {
    String metric = otherThanTheLoss();
    long best = best(metric);
    Path chosen = folder.resolve("chosen");
    String[] keys =
        with(
            "--load_best_model_at_end", "true",
            "--metric_for_best_model", metric,
            "--greater_is_better", "true",
            "--save_total_limit", "1");
    String[] half = java.util.Arrays.copyOf(keys, keys.length + 2);
    half[keys.length] = "--max_steps";
    half[keys.length + 1] = "6";
    sample.train(spark, chosen, half);
    Files.delete(chosen.resolve("summary.json"));
    sample.train(spark, chosen, keys);
    assertThat(SampleRun.summary(chosen).path("best_step").asLong()).isEqualTo(best);

    Path shorter = folder.resolve("shorter");
    sample.train(spark, shorter, with("--max_steps", Long.toString(best)));
    assertThat(SampleRun.adapter(chosen)).isEqualTo(SampleRun.adapter(shorter));
    List<JsonNode> cutOff = SampleRun.metrics(chosen, metric);
    List<JsonNode> uninterrupted = SampleRun.metrics(run, metric);
    assertThat(cutOff).hasSize(4);
    for (int i = 0; i < 4; i++) {
      assertThat(cutOff.get(i).path("eval_answers"))
          .isEqualTo(uninterrupted.get(i).path("eval_answers"));
      assertThat(cutOff.get(i).path(metric)).isEqualTo(uninterrupted.get(i).path(metric));
    }
  }

  @Test
  void the_report_shows_curves_and_answers() throws IOException {
    assertThat(Files.readString(run.resolve("report.html")))
        .contains("What the model writes", "aria-label=\"long\"", "<td class=\"k\">step 12</td>");
    assertThat(SampleRun.metrics(run, "eval_words"))
        .hasSize(4)
        .allMatch(line -> line.path("eval_words").asDouble() >= 1);
  }

  @Test
  void metrics_that_cannot_be_had_are_refused_before_training() {
    refused(
        "{half: 'answer ='}", "eval_custom_metrics: half is \"answer =\", which SQLite does not");
    refused("{half: 'class:no.such.Type'}", "has to be a public class on the class path");
    refused("{my_loss: '1'}", "my_loss, which has a meaning already");
    refused("{exact_match: '1'}", "exact_match, which has a meaning already");
    assertThat(folder.resolve("refused/config.yaml")).doesNotExist();
  }

  private static void refused(String metrics, String message) {
    assertThatThrownBy(
            () -> sample.train(spark, folder.resolve("refused"), "--eval_custom_metrics", metrics))
        .isInstanceOf(UserError.class)
        .hasMessageContaining(message);
  }
}
