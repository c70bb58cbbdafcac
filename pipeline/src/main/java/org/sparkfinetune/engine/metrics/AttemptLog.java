package org.sparkfinetune.engine.metrics;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/**
 * {@code attempts.jsonl}: when the training was started and how that ended, by the driver, over all
 * drivers that worked in the folder. A start without an end is one whose driver was killed.
 */
public final class AttemptLog {
  private static final Logger LOG = LoggerFactory.getLogger(AttemptLog.class);
  private static final ObjectMapper JSON = new ObjectMapper();

  private final RunFolder folder;
  private final Store files;

  public AttemptLog(RunFolder folder, Store files) {
    this.folder = folder;
    this.files = files;
  }

  /** Adds an event that happens now. */
  public void add(AttemptEvent.Kind kind, long step, String why) {
    StringBuilder text = new StringBuilder();
    read().forEach(event -> text.append(event.json()).append('\n'));
    text.append(new AttemptEvent(kind, files.clock().instant(), step, why).json()).append('\n');
    files.replace(folder.attempts(), text.toString().getBytes(StandardCharsets.UTF_8));
  }

  /** All events so far, in their order; a last line that is damaged is left out. */
  public List<AttemptEvent> read() {
    String text =
        new String(files.read(folder.attempts()).orElse(new byte[0]), StandardCharsets.UTF_8);
    List<AttemptEvent> events = new ArrayList<>();
    List<String> lines = text.lines().toList();
    for (int i = 0; i < lines.size(); i++) {
      try {
        events.add(AttemptEvent.of(JSON.readTree(lines.get(i))));
      } catch (IOException | RuntimeException e) {
        if (i < lines.size() - 1) {
          throw new UserError(
              "%s:%s: this is not a record of an attempt; move the file away to go on without it"
                  .formatted(folder.attempts(), i + 1),
              e);
        }
        LOG.warn(
            "{}:{}: this line is damaged and left out: {}", folder.attempts(), i + 1, lines.get(i));
      }
    }
    return events;
  }

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
}
