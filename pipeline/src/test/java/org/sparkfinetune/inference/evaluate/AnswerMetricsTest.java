package org.sparkfinetune.inference.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Extras;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.conversation.Conversation.ToolCall;
import org.sparkfinetune.errors.UserError;

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

  private static AnsweredSample calls(List<ToolCall> calls, String answer) {
    Extras extras = new Extras(calls, "", "", "", true, false);
    return AnsweredSample.of(
        new Conversation(
            List.of(new Message(Role.USER, "Weather?"), new Message(Role.ASSISTANT, "", extras))),
        answer);
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

  @Test
  void numbers_are_those_behind_the_last_hashes_or_else_the_last_and_compared_by_value() {
    AnswerMetric number = named(Metric.NUMBER_MATCH).get(0);
    String expected = "He pays 3 * 4 = 12.\n#### 1,234.50";
    for (String answer :
        List.of(
            "#### 1234.5",
            "so it is $1,234.500.",
            "#### 7\n#### 1234.5 (of 2)",
            "#### Sum\n1234.5")) {
      assertThat(score(number, expected, answer)).as(answer).hasValue(1);
    }
    for (String answer : List.of("", "#### none", "1234.5 of 2", "-1234.5", "#### 2 or 1234.5")) {
      assertThat(score(number, expected, answer)).as(answer).hasValue(0);
    }
    assertThat(score(number, "-5", "it is -5.0")).hasValue(1);
    assertThat(score(number, "-5", "-$5")).hasValue(1);
    assertThat(score(number, "5", "10-5")).hasValue(1);
    assertThat(score(number, "\u22125", "-5")).hasValue(1);
    assertThat(score(number, "0.5", ".50")).hasValue(1);
    assertThat(score(number, "0", "0.00")).hasValue(1);
    assertThat(score(number, "100", "1e2 is 100")).hasValue(1);
    assertThat(score(number, "no number", "5")).isEmpty();
  }

  @Test
  void a_pattern_compares_what_its_first_group_found_last() {
    AnswerMetric choice =
        AnswerMetrics.of(Set.of(Metric.PATTERN_MATCH), Optional.of("(?i)answer: *([A-D])|none"))
            .get(0);
    assertThat(choice.name()).isEqualTo("pattern_match");
    assertThat(score(choice, "Answer: B", "Answer: A? No, answer:B.")).hasValue(1);
    assertThat(score(choice, "Answer: B", "Answer: B? No, answer:A.")).hasValue(0);
    assertThat(score(choice, "none", "Answer: A, or none")).hasValue(1);
    assertThat(score(choice, "Answer: B", "B")).hasValue(0);
    assertThat(score(choice, "B", "Answer: B")).isEmpty();
    assertThatThrownBy(() -> named(Metric.PATTERN_MATCH))
        .isInstanceOf(UserError.class)
        .hasMessage("pattern_match needs answer_pattern, a regular expression");
  }

  @Test
  void json_is_compared_by_members_and_values_and_not_by_spelling() {
    AnswerMetric json = named(Metric.JSON_MATCH).get(0);
    String expected = "{\"name\": \"Bo\", \"id\": 3, \"list\": [1, {\"x\": null}]}";
    for (String answer :
        List.of(
            "{\"list\":[1.0,{\"x\":null}],\"id\":3e0,\"name\":\"Bo\"}",
            "```json\n" + expected + "\n```")) {
      assertThat(score(json, expected, answer)).as(answer).hasValue(1);
    }
    for (String answer :
        List.of(
            "",
            "Bo",
            expected + "}",
            "Here: " + expected,
            "[" + expected + "]",
            expected.replace('3', '4'),
            expected.replace("1, ", ""))) {
      assertThat(score(json, expected, answer)).as(answer).hasValue(0);
    }
    assertThat(score(json, "1e999999999", "1e9")).hasValue(0);
    assertThat(score(json, "no JSON", "{}")).isEmpty();
    assertThat(score(json, "", "{}")).isEmpty();
  }

  @Test
  void tool_calls_are_their_names_and_arguments_whatever_the_template() {
    AnswerMetric json = named(Metric.JSON_MATCH).get(0);
    List<ToolCall> expected =
        List.of(
            new ToolCall("1", "weather", "{\"city\": \"Rome\", \"days\": 2}"),
            new ToolCall("2", "time", "{}"));
    String first = "{\"name\": \"weather\", \"arguments\": {\"days\": 2, \"city\": \"Rome\"}}";
    String second = "{\"name\": \"time\", \"parameters\": {}}";
    String function =
        "{\"id\": \"x\", \"type\": \"function\", \"function\": {\"name\": \"weather\","
            + " \"arguments\": \"{\\\"city\\\": \\\"Rome\\\", \\\"days\\\": 2.0}\"}}";
    for (String answer :
        List.of(
            "[" + first + "," + second + "]",
            "[TOOL_CALLS][" + first + "," + second + "]",
            "<|python_tag|>" + first + "\n" + second,
            "I ask.<tool_call>\n%s\n</tool_call>\n<tool_call>%s</tool_call>"
                .formatted(first, second),
            "<tool_call>" + first + "</tool_call><tool_call>{\"name\": \"time\"}",
            "[" + function + ", " + second + "]")) {
      assertThat(json.score(calls(expected, answer))).as(answer).hasValue(1);
    }
    for (String answer :
        List.of(
            first,
            "[" + second + "," + first + "]",
            "[" + first.replace("2", "3") + "," + second + "]",
            "weather(Rome)",
            "")) {
      assertThat(json.score(calls(expected, answer))).as(answer).hasValue(0);
    }
    assertThat(score(json, "<tool_call>" + first + "</tool_call>", function)).hasValue(1);
  }

  @Test
  void what_compares_texts_cannot_judge_a_tool_call() {
    AnsweredSample sample = calls(List.of(new ToolCall("", "time", "{}")), "");
    for (AnswerMetric metric : AnswerMetrics.of(List.of(Metric.values()), Optional.of("time|"))) {
      assertThat(metric.score(sample).isPresent())
          .as(metric.name())
          .isEqualTo(metric.name().equals("json_match"));
    }
    assertThat(AnsweredSample.expectedText(sample.conversation()))
        .isEqualTo("{\"name\":\"time\",\"arguments\":{}}");
  }
}
