package org.sparkfinetune.inference.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;

final class AnswerMetricsTest {

  private static AnsweredSample sample(String question, String expected, String answer) {
    return AnsweredSample.of(
        new Conversation(
            List.of(new Message(Role.USER, question), new Message(Role.ASSISTANT, expected))),
        answer);
  }

  private static OptionalDouble score(AnswerMetric metric, String expected, String answer) {
    return metric.score(sample("CREATE TABLE t (a INTEGER)", expected, answer));
  }

  private static List<AnswerMetric> named(Metric... metrics) {
    return AnswerMetrics.of(Set.of(metrics), Optional.empty());
  }

  @Test
  void the_loss_is_no_metric_of_an_answer() {
    assertThat(named(Metric.EXECUTION_MATCH, Metric.LOSS, Metric.EXACT_MATCH))
        .extracting(AnswerMetric::name)
        .containsExactly("exact_match", "normalised_match", "execution_match");
  }

  @Test
  void exact_is_equal_but_for_spaces_around_and_normalised_equal_as_sql() {
    AnswerMetric exact = named(Metric.EXACT_MATCH).get(0);
    AnswerMetric normalised = named(Metric.EXACT_MATCH).get(1);
    assertThat(score(exact, "SELECT 1", " SELECT 1\n")).hasValue(1);
    assertThat(score(exact, "SELECT 1", "select 1")).hasValue(0);
    String expected = "SELECT a FROM t WHERE b = 'X'";
    assertThat(score(normalised, expected, "select  a from t where b=\"X\" ;")).hasValue(1);
    assertThat(score(normalised, expected, "SELECT a FROM t WHERE b = 'x'")).hasValue(0);
  }

  @Test
  void execution_match_has_a_verdict_and_no_score_where_nothing_can_be_said() {
    AnswerMetric execution = named(Metric.EXECUTION_MATCH).get(0);
    assertThat(score(execution, "SELECT a FROM t", "SELECT t.a FROM t")).hasValue(1);
    assertThat(score(execution, "SELECT a FROM t", "SELECT b FROM t")).hasValue(0);
    assertThat(score(execution, "SELECT b FROM t", "SELECT a FROM t")).isEmpty();
    assertThat(execution.judge(sample("How many?", "SELECT 1", "SELECT 1")).verdict())
        .contains(
            new SampleResult.Verdict(
                SampleResult.Verdict.Kind.UNJUDGED, "the prompt has no CREATE TABLE statement"));
  }
}
