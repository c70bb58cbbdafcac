package org.sparkfinetune.spark.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.EvaluateConfig;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.Sampling;
import org.sparkfinetune.inference.evaluate.EvaluationReport;
import org.sparkfinetune.spark.train.SampleRun;
import org.sparkfinetune.testing.SparkSessions;

/** The shipped model with adapters of it. */
final class EvaluateJobSparkTest {
  private static final Path ADAPTER = Path.of("src/test/resources/golden/after-training/adapter");

  @TempDir Path folder;

  /** An adapter of a run of its own, that counts for so many times what it does. */
  private String adapter(String run, int times) throws IOException {
    Path adapter = Files.createDirectories(folder.resolve(run).resolve("adapter"));
    Files.copy(
        ADAPTER.resolve("adapter_model.safetensors"), adapter.resolve("adapter_model.safetensors"));
    String config = Files.readString(ADAPTER.resolve("adapter_config.json"));
    JsonNode alpha = new ObjectMapper().readTree(config).path("lora_alpha");
    Files.writeString(
        adapter.resolve("adapter_config.json"),
        config.replaceFirst(
            "\"lora_alpha\": *" + alpha.asInt(), "\"lora_alpha\": " + times * alpha.asInt()));
    return adapter.toString();
  }

  private static String conversation(String query) {
    return ("{\"messages\": [{\"role\": \"system\", \"content\": \"CREATE TABLE t (a INTEGER)\"},"
            + " {\"role\": \"user\", \"content\": \"How many?\"}, {\"role\": \"assistant\","
            + " \"content\": \"%s\"}]}")
        .formatted(query);
  }

  private EvaluationReport evaluate(List<String> adapters, Metric... metrics) throws IOException {
    Files.write(
        folder.resolve("test_dataset.json"),
        List.of(
            conversation("SELECT COUNT(*) FROM t"),
            conversation("SELECT DAYOFWEEK(a) FROM t"),
            conversation("SELECT MAX(a) FROM t")));
    return new EvaluateJob(SparkSessions.shared())
        .run(
            new EvaluateConfig(
                new ModelChoice(
                    SampleRun.MODEL.toString(),
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty()),
                Optional.of(adapters),
                folder.toString(),
                Optional.empty(),
                Set.of(metrics),
                Optional.empty(),
                true,
                Optional.of(folder.toString()),
                Optional.empty(),
                Sampling.greedy(512, 2),
                OptionalInt.empty()));
  }

  @Test
  void adapters_are_measured_side_by_side_on_the_same_samples() throws IOException {
    List<String> adapters = List.of(adapter("one", 1), adapter("two", 2));
    EvaluationReport report =
        evaluate(adapters, Metric.LOSS, Metric.EXECUTION_MATCH, Metric.ROUGE_L);

    assertThat(report.models().keySet()).containsExactly("base", "one", "two");
    assertThat(report.models().values())
        .allSatisfy(
            result ->
                assertThat(result.share("execution_match").orElseThrow().count()).isEqualTo(2));
    assertThat(report.models().values())
        .extracting(result -> result.loss().orElseThrow().value())
        .doesNotHaveDuplicates();
    JsonNode json = new ObjectMapper().readTree(folder.resolve("evaluation.json").toFile());
    assertThat(json.path("adapters").path("two").asText()).isEqualTo(adapters.get(1));
    assertThat(json.path("differences")).hasSize(3);
    assertThat(json.path("differences").get(2).path("from").asText()).isEqualTo("one");
    assertThat(json.path("differences").get(2).path("loss").path("of").asInt()).isEqualTo(3);
    assertThat(json.path("samples").get(1).path("two").path("verdict").asText())
        .isEqualTo("unjudged");
    assertThat(json.path("samples").get(0).path("one").path("rouge_l").isNumber()).isTrue();
    assertThat(report.summary())
        .containsPattern("(?m)^ +base +one +two$")
        .containsPattern("(?m)^ +base to one +base to two +one to two$");
  }

  @Test
  void without_metrics_of_answers_none_is_asked_for() throws IOException {
    EvaluationReport report = evaluate(List.of(adapter("one", 1)), Metric.LOSS);

    assertThat(report.models().keySet()).containsExactly("base", "adapter");
    assertThat(report.about()).doesNotContainKey("max_new_tokens");
    assertThat(folder.resolve("evaluation.json"))
        .content()
        .contains("\"adapter\" : \"" + folder.resolve("one/adapter") + "\"")
        .doesNotContain("generated", "truncated");
  }
}
