package org.sparkfinetune.inference.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.inference.evaluate.ModelResult.Difference;
import org.sparkfinetune.inference.evaluate.ModelResult.Mean;
import org.sparkfinetune.inference.evaluate.SampleResult.Answer;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict;

final class EvaluationReportTest {
  private static final List<AnswerMetric> METRICS =
      AnswerMetrics.of(Set.of(Metric.EXECUTION_MATCH, Metric.CHRF), Optional.empty());

  /** Of a sample with a loss over two tokens; a hit below 0 is one that cannot be judged. */
  private static SampleResult sample(double loss, int hit, double chrf) {
    Map<String, Double> scores = new LinkedHashMap<>();
    scores.put("chrf", chrf);
    if (hit >= 0) {
      scores.put("execution_match", (double) hit);
    }
    Verdict.Kind kind =
        hit < 0 ? Verdict.Kind.UNJUDGED : hit == 1 ? Verdict.Kind.MATCH : Verdict.Kind.OTHER_ROWS;
    return new SampleResult(
        Optional.of(new Mean.Part(2 * loss, 2)),
        Optional.of(new Answer("SELECT\n1", hit == 0)),
        scores,
        Optional.of(new Verdict(kind, "")));
  }

  private static EvaluationReport report() {
    List<SampleResult> base = new ArrayList<>();
    List<SampleResult> a = new ArrayList<>();
    List<SampleResult> b = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      int unjudged = i == 7 ? -1 : 0;
      base.add(sample(2 + i, unjudged, 0.25));
      a.add(sample(1 + i, i < 4 ? 1 : unjudged, 0.5));
      b.add(sample(1.5 + i, i < 6 ? 1 : unjudged, 0.5 + i / 16.0));
    }
    Map<String, ModelResult> models = new LinkedHashMap<>();
    models.put("base", new ModelResult(base));
    models.put("a", new ModelResult(a));
    models.put("b", new ModelResult(b));
    Conversation question = new Conversation(List.of(new Message(Role.USER, "How many?")));
    return new EvaluationReport(
        Map.of("max_new_tokens", 64),
        List.of(question, question, question, question, question, question, question, question),
        List.of("x", "x", "x", "x", "x", "x", "x", "x"),
        METRICS,
        models);
  }

  private static JsonNode json() throws IOException {
    return new ObjectMapper().readTree(report().json());
  }

  @Test
  void a_metric_has_its_interval_and_of_how_many_samples() throws IOException {
    JsonNode a = json().path("metrics").path("a");
    assertThat(a.path("execution_match").path("hits").asInt()).isEqualTo(4);
    assertThat(a.path("execution_match").path("of").asInt()).isEqualTo(7);
    assertThat(a.path("chrf").path("value").asDouble()).isEqualTo(0.5);
    assertThat(a.path("chrf").path("of").asInt()).isEqualTo(8);
    assertThat(a.path("loss").path("value").asDouble()).isEqualTo(4.5);
    assertThat(a.path("verdicts").toString())
        .isEqualTo("{\"match\":4,\"other_rows\":3,\"unjudged\":1}");
    assertThat(a.path("truncated").asInt()).isEqualTo(3);
    assertThat(json().path("max_new_tokens").asInt()).isEqualTo(64);
  }

  @Test
  void every_two_models_have_paired_differences_of_every_metric() throws IOException {
    JsonNode json = json();
    JsonNode each = json.path("differences");
    assertThat(each).hasSize(3);
    JsonNode first = each.get(0);
    assertThat(first.path("from").asText() + first.path("to").asText()).isEqualTo("basea");
    // Each loss is lower by one: there is nothing that an interval would have to allow for.
    assertThat(first.path("loss").path("value").asDouble()).isCloseTo(-1, within(1e-12));
    assertThat(first.path("loss").path("high").asDouble()).isCloseTo(-1, within(1e-12));
    assertThat(first.path("chrf").path("value").asDouble()).isEqualTo(0.25);
    JsonNode last = json.path("difference");
    assertThat(last.path("execution_match").path("value").asDouble())
        .isCloseTo(6 / 7.0, within(1e-12));
    assertThat(last.path("execution_match").path("of").asInt()).isEqualTo(7);
    assertThat(last.path("loss").path("value").asDouble()).isCloseTo(-0.5, within(1e-12));
  }

  @Test
  void a_paired_interval_is_that_of_the_mean_of_differences() {
    double[] differences = {0.5, -0.25, 1, 0, 0.125};
    List<Mean.Part> before = new ArrayList<>();
    List<Mean.Part> after = new ArrayList<>();
    List<Mean.Part> parts = new ArrayList<>();
    for (int i = 0; i < differences.length; i++) {
      before.add(new Mean.Part(i, 1));
      after.add(new Mean.Part(i + differences[i], 1));
      parts.add(new Mean.Part(differences[i], 1));
    }
    Mean mean = Mean.of(parts);
    Difference difference = Difference.of(before, after);
    assertThat(difference.value()).isCloseTo(mean.value(), within(1e-12));
    assertThat(difference.low()).isCloseTo(mean.low(), within(1e-12));
    assertThat(difference.high()).isCloseTo(mean.high(), within(1e-12));
  }

  @Test
  void a_sample_has_each_models_answer_by_name() throws IOException {
    JsonNode sample = json().path("samples").get(7);
    assertThat(sample.path("b").toString())
        .isEqualTo(
            "{\"loss\":8.5,\"generated\":\"SELECT\\n1\",\"truncated\":false,\"chrf\":0.9375,"
                + "\"verdict\":\"unjudged\",\"reason\":\"\"}");
    assertThat(json().path("samples").get(0).path("a").path("execution_match").asBoolean())
        .isTrue();
  }

  @Test
  void the_summary_shows_models_differences_and_answers_side_by_side() {
    String summary = report().summary().replace(System.lineSeparator(), "\n");
    assertThat(summary)
        .startsWith(
            """
            8 samples, answers of at most 64 tokens

                             base                       a                           b
            loss             5.5000 (3.8026 to 7.1974)  4.5000 (2.8026 to 6.1974)   5.0000 (3.3026 to 6.6974)
            perplexity       244.69                     90.02                       148.41
            execution_match  0.0 % (0.0 to 35.4) of 7   57.1 % (25.0 to 84.2) of 7  85.7 % (48.7 to 97.4) of 7
            chrf             25.0 % (25.0 to 25.0)      50.0 % (50.0 to 50.0)       71.9 % (61.3 to 82.5)
            truncated        7                          3                           1

            added, with the interval of paired differences
                             base to a                     base to b                     a to b
            loss             -1.0000 (-1.0000 to -1.0000)  -0.5000 (-0.5000 to -0.5000)  +0.5000 (+0.5000 to +0.5000)
            execution_match  +57.1 (+17.5 to +96.7)        +85.7 (+57.7 to +100.0)       +28.6 (-7.6 to +64.7)
            chrf             +25.0 (+25.0 to +25.0)        +46.9 (+36.3 to +57.5)        +21.9 (+11.3 to +32.5)

            1. expected x
               base     SELECT\\n1   [other rows]
               a        SELECT\\n1   [match]
               b        SELECT\\n1   [match]
            """)
        .endsWith(
            """
            8. expected x
               base     SELECT\\n1   [unjudged]
               a        SELECT\\n1   [unjudged]
               b        SELECT\\n1   [unjudged]
            """);
  }
}
