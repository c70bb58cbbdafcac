package org.sparkfinetune.inference.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

/** Against rouge-score and sacrebleu: {@code golden/text-metrics.json}. */
final class TextMetricsParityTest {
  private static final Path GOLDEN = Path.of("src/test/resources/golden/text-metrics.json");

  private static JsonNode pairs() throws IOException {
    JsonNode pairs = new ObjectMapper().readTree(GOLDEN.toFile()).path("pairs");
    assertThat(pairs).hasSizeGreaterThan(60);
    return pairs;
  }

  @Test
  void rouge_l_is_rouge_scores() throws IOException {
    for (JsonNode pair : pairs()) {
      OptionalDouble score =
          RougeL.score(pair.path("expected").asText(), pair.path("answer").asText());
      if (score.isEmpty()) {
        assertThat(pair.path("expected").asText()).doesNotContainPattern("(?i)[a-z0-9]");
      } else {
        assertThat(score.getAsDouble())
            .as(pair.toString())
            .isCloseTo(pair.path("rouge_l").asDouble(), within(1e-12));
      }
    }
  }

  @Test
  void chrf_is_sacrebleus() throws IOException {
    for (JsonNode pair : pairs()) {
      assertThat(
              Chrf.score(pair.path("expected").asText(), pair.path("answer").asText())
                  .orElseThrow())
          .as(pair.toString())
          .isCloseTo(pair.path("chrf").asDouble(), within(1e-12));
    }
  }

  @Test
  void an_empty_text_tells_nothing_of_an_answer() {
    assertThat(Chrf.score(" \n", "x")).isEmpty();
    assertThat(RougeL.score("…", "x")).isEmpty();
  }
}
