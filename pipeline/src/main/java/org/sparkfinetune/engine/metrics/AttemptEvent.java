package org.sparkfinetune.engine.metrics;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.time.Instant;
import java.util.Locale;

/**
 * A beginning or an end of a start of the training.
 *
 * @param step optimizer steps done and saved then
 * @param why of an end that is none of the run; else empty
 */
public record AttemptEvent(Kind kind, Instant at, long step, String why) {
  /** What happened. */
  public enum Kind {
    STARTED,
    FAILED,
    STOPPED,
    FINISHED
  }

  String json() {
    return JsonNodeFactory.instance
        .objectNode()
        .put("event", kind.name().toLowerCase(Locale.ROOT))
        .put("at", at.toString())
        .put("step", step)
        .put("why", why)
        .toString();
  }

  static AttemptEvent of(JsonNode node) {
    return new AttemptEvent(
        Kind.valueOf(node.path("event").asText().toUpperCase(Locale.ROOT)),
        Instant.parse(node.path("at").asText()),
        node.path("step").asLong(),
        node.path("why").asText());
  }
}
