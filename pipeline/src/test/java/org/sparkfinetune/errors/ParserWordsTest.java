package org.sparkfinetune.errors;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ParserWordsTest {
  private static final ObjectReader STRICT =
      new ObjectMapper()
          .reader()
          .with(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
          .with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"a\":1} {\"b\":2}",
        "{\"a\":",
        "{\"a\":\"x",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1}}",
        "{\"a\":[1,2}",
        "{\"a\":+5}",
        "// x",
        "plain text"
      })
  void nothing_is_said_of_classes_and_settings(String json) {
    for (String words : new String[] {message(json, true), message(json, false)}) {
      assertThat(ParserWords.of(words))
          .isNotBlank()
          .doesNotContain("`", "Feature", "fasterxml", "Source", "ObjectNode", "\n");
    }
  }

  private static String message(String json, boolean original) {
    try {
      throw new AssertionError(STRICT.readTree(json));
    } catch (JsonProcessingException e) {
      return String.valueOf(original ? e.getOriginalMessage() : e.getMessage());
    }
  }

  @Test
  void the_packages_of_the_shaded_jar_are_left_out_and_other_names_stay() {
    assertThat(
            ParserWords.of(
                "Trailing token (of type START_OBJECT) found after value (bound as"
                    + " `org.sparkfinetune.shaded.com.fasterxml.jackson.databind.JsonNode`): not"
                    + " allowed as per `DeserializationFeature.FAIL_ON_TRAILING_TOKENS`"))
        .isEqualTo("More text follows behind the value");
    assertThat(
            ParserWords.of(
                "Lost task 0.3 (host 1): org.sparkfinetune.shaded.com.fasterxml.jackson.core.JsonParseException: x\n\tat"))
        .isEqualTo("Lost task 0.3 (host 1): JsonParseException: x");
    assertThat(ParserWords.of("java.io.IOException: /data/org.sparkfinetune/x is full"))
        .isEqualTo("java.io.IOException: /data/org.sparkfinetune/x is full");
    assertThat(
            ParserWords.of(
                "mapping values are not allowed here at [Source: (File); line: 2, column: 3]"))
        .isEqualTo("mapping values are not allowed here at line 2, column 3");
  }
}
