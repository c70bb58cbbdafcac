package org.sparkfinetune.data.jinja;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.time.LocalDateTime;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every probe's text and refusal is jinja2's (jinja/probes.json). */
final class ProbesParityTest {
  private static JsonNode golden() throws IOException {
    try (InputStream in = ProbesParityTest.class.getResourceAsStream("/jinja/probes.json")) {
      return new ObjectMapper().readTree(in);
    }
  }

  static Stream<Arguments> probes() throws IOException {
    JsonNode golden = golden();
    return StreamSupport.stream(golden.get("probes").spliterator(), false)
        .map(probe -> Arguments.of(probe.get("name").asText(), probe, golden));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("probes")
  void text_and_refusal_are_jinja2s(String name, JsonNode probe, JsonNode golden) {
    String source = probe.get("template").asText();
    if (probe.has("refused")) {
      assertThat(answer(source, golden, 0, false)).isEqualTo(probe.get("refused").asText());
      return;
    }
    for (int i = 0; i < golden.get("conversations").size(); i++) {
      JsonNode expected = probe.get("texts").get(i);
      for (boolean prompt : new boolean[] {false, true}) {
        JsonNode text = expected.get(String.valueOf(prompt));
        String error = expected.path(prompt + "_error").asText();
        assertThat(answer(source, golden, i, prompt))
            .isEqualTo(text == null ? error : text.asText());
      }
    }
  }

  @Test
  void there_are_as_many_probes_as_were_made() throws IOException {
    assertThat(golden().get("probes")).hasSize(94);
  }

  /** The text, or the name of the error's class. */
  private static String answer(String source, JsonNode golden, int conversation, boolean prompt) {
    Map<String, Object> variables = new HashMap<>();
    ObjectMapper mapper = new ObjectMapper();
    variables.put(
        "messages",
        mapper.convertValue(golden.get("conversations").get(conversation), Object.class));
    golden
        .get("tokens")
        .fields()
        .forEachRemaining(t -> variables.put(t.getKey(), t.getValue().asText()));
    variables.put("add_generation_prompt", prompt);
    variables.put("tools", null);
    variables.put("documents", null);
    try {
      LocalDateTime now = LocalDateTime.parse(golden.get("now").asText());
      return Template.parse(source).render(variables, now).text();
    } catch (TemplateError e) {
      return e.kind().python();
    }
  }
}
