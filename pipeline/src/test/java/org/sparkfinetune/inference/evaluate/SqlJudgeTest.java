package org.sparkfinetune.inference.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.inference.evaluate.ModelResult.Proportion;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict;

final class SqlJudgeTest {
  private static final Path CONVERSATIONS =
      Path.of("src/test/resources/golden/conversations.jsonl");
  private static final Path PAIRS = Path.of("src/test/resources/evaluate/pairs.txt");

  private record Pair(String schema, Verdict.Kind kind, String expected, String generated) {}

  private static List<Pair> pairs() throws IOException {
    List<Pair> pairs = new ArrayList<>();
    String schema = "";
    for (String line : Files.readAllLines(PAIRS)) {
      if (line.startsWith("schema ")) {
        schema = line.substring("schema ".length());
      } else if (!line.startsWith("#") && !line.isBlank()) {
        String[] parts = line.split("###", -1);
        pairs.add(
            new Pair(
                schema,
                Verdict.Kind.valueOf(parts[0].strip()),
                parts[1].strip(),
                parts[2].strip()));
      }
    }
    return pairs;
  }

  @Test
  void judges_every_pair_as_a_person_does() throws IOException {
    SqlJudge judge = new SqlJudge(Duration.ofMillis(300));
    List<String> wrong = new ArrayList<>();
    List<Pair> pairs = pairs();
    for (Pair pair : pairs) {
      Verdict verdict = judge.judge(pair.schema(), pair.expected(), pair.generated());
      if (verdict.kind() != pair.kind()) {
        wrong.add(verdict + " for " + pair);
      }
    }
    assertThat(pairs).hasSizeGreaterThan(60);
    assertThat(wrong).isEmpty();
    assertThat(Path.of("/tmp/stolen.db")).doesNotExist();
  }

  @Test
  void says_why() {
    String schema = "CREATE TABLE t (a INTEGER)";
    SqlJudge judge = SqlJudge.standard();

    assertThat(judge.judge(schema, "SELECT a FROM t", "SELECT b FROM t").reason())
        .isEqualTo("no such column: b");
    assertThat(judge.judge(schema, "SELECT a FROM t", "SELECT a + 1 FROM t").reason())
        .contains("expected", "extra");
  }

  private static Verdict.Kind kind(String schema, String expected, String generated) {
    return SqlJudge.standard().judge(schema, expected, generated).kind();
  }

  @Test
  void whether_a_sample_can_be_judged_depends_on_the_expected_query_alone() {
    String schema = "CREATE TABLE t (a INTEGER)";
    List<String> answers =
        List.of("", "no query", "SELECT 1; SELECT 2", "DROP TABLE t", "SELECT b FROM t", "SELECT");
    for (String answer : answers) {
      assertThat(kind(schema, "SELECT DAYOFWEEK(a) FROM t", answer))
          .as(answer)
          .isEqualTo(Verdict.Kind.UNJUDGED);
      assertThat(kind("", "SELECT a FROM t", answer)).as(answer).isEqualTo(Verdict.Kind.UNJUDGED);
      assertThat(kind(schema, "SELECT a FROM t", answer))
          .as(answer)
          .isNotEqualTo(Verdict.Kind.UNJUDGED);
    }
  }

  /** Of sql-create-context: schemas and queries as they come. */
  @Test
  void real_samples_are_judged_or_not_whatever_the_answer() throws IOException {
    SqlJudge judge = SqlJudge.standard();
    List<String> others = List.of("", "I think that", "SELECT 1", "SELECT MAX(a), 'x' FROM b");
    int judged = 0;
    for (String line : Files.readAllLines(CONVERSATIONS)) {
      JsonNode messages = new ObjectMapper().readTree(line).path("messages");
      String schema = messages.path(0).path("content").asText();
      String expected = messages.path(2).path("content").asText();
      boolean isJudged = judge.judge(schema, expected, expected).kind() != Verdict.Kind.UNJUDGED;
      judged += isJudged ? 1 : 0;
      for (String other : others) {
        assertThat(judge.judge(schema, expected, other).kind() != Verdict.Kind.UNJUDGED)
            .as("%s for %s", other, expected)
            .isEqualTo(isJudged);
      }
    }
    assertThat(judged).isBetween(30, 41);
  }

  @Test
  void values_of_an_answer_on_which_the_expected_query_fails_are_left_out() {
    String schema = "CREATE TABLE t (a INTEGER)";
    // The sum of two such values is none of SQLite's integers.
    String huge = " WHERE a <> 9223372036854775000 AND a <> 9223372036854775001";
    assertThat(kind(schema, "SELECT SUM(a) FROM t", "SELECT SUM(a) FROM t" + huge))
        .isEqualTo(Verdict.Kind.MATCH);
    assertThat(kind(schema, "SELECT SUM(a) FROM t", "SELECT MAX(a) FROM t" + huge))
        .isEqualTo(Verdict.Kind.OTHER_ROWS);
  }

  @Test
  void an_expected_query_ends_at_a_number_of_steps_which_is_the_same_on_every_machine() {
    String endless =
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT COUNT(*) FROM c";
    assertThat(SqlJudge.standard().judge("CREATE TABLE t (a INTEGER)", endless, "SELECT 1"))
        .isEqualTo(
            new Verdict(
                Verdict.Kind.UNJUDGED,
                "the expected query: still running after 100,000,000 steps"));
  }

  @Test
  void intervals_are_wilsons() {
    Proportion half = Proportion.of(50, 100);

    assertThat(half.low()).isCloseTo(0.4038, org.assertj.core.api.Assertions.within(1e-4));
    assertThat(half.high()).isCloseTo(0.5962, org.assertj.core.api.Assertions.within(1e-4));
    assertThat(Proportion.of(0, 10).high())
        .isCloseTo(0.2775, org.assertj.core.api.Assertions.within(1e-4));
  }
}
