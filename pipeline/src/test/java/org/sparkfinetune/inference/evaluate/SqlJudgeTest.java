package org.sparkfinetune.inference.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.inference.evaluate.ModelResult.Proportion;
import org.sparkfinetune.inference.evaluate.SampleResult.Answer;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict;

final class SqlJudgeTest {
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

  @Test
  void texts_that_differ_in_spelling_alone_are_equal_when_normalised() {
    assertThat(
            Answer.isNormalisedEqual(
                "SELECT a FROM t WHERE b = 'X'", "select  a from t where b=\"X\" ;"))
        .isTrue();
    assertThat(
            Answer.isNormalisedEqual(
                "SELECT a FROM t WHERE b = 'X'", "SELECT a FROM t WHERE b = 'x'"))
        .isFalse();
    assertThat(Answer.isExact("SELECT 1", " SELECT 1\n")).isTrue();
    assertThat(Answer.isExact("SELECT 1", "select 1")).isFalse();
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
