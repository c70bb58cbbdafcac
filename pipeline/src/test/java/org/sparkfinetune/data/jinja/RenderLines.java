package org.sparkfinetune.data.jinja;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.util.Map;

/**
 * For src/test/python/jinja_fuzz.py: reads JSON lines {template, variables, now} and writes, for
 * each, {text} or {error, message}.
 */
public final class RenderLines {
  private RenderLines() {}

  public static void main(String[] args) throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      out.println(mapper.writeValueAsString(answer(mapper, mapper.readTree(line))));
    }
    out.flush();
  }

  private static Map<String, String> answer(ObjectMapper mapper, JsonNode request) {
    try {
      @SuppressWarnings("unchecked")
      Map<String, Object> variables = mapper.convertValue(request.get("variables"), Map.class);
      LocalDateTime now = LocalDateTime.parse(request.get("now").asText());
      Template template = Template.parse(request.get("template").asText());
      return Map.of("text", template.render(variables, now).text());
    } catch (TemplateError e) {
      return Map.of("error", e.kind().python(), "message", String.valueOf(e.getMessage()));
    } catch (RuntimeException e) {
      return Map.of("error", "BUG", "message", e.toString());
    }
  }
}
