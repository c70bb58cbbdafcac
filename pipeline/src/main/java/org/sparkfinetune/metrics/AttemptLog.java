package org.sparkfinetune.metrics;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.errors.UserError;

/**
 * {@code attempts.jsonl}: when the training was started and how that ended, by the driver, over all
 * drivers that worked in the folder. A start without an end is one whose driver was killed.
 */
public final class AttemptLog {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final RunFolder folder;
  private final RunFiles files;

  public AttemptLog(RunFolder folder, RunFiles files) {
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

  /** All events so far, in their order. */
  public List<AttemptEvent> read() {
    String text =
        new String(files.read(folder.attempts()).orElse(new byte[0]), StandardCharsets.UTF_8);
    List<AttemptEvent> events = new ArrayList<>();
    for (String line : text.lines().toList()) {
      try {
        events.add(AttemptEvent.of(JSON.readTree(line)));
      } catch (IOException | RuntimeException e) {
        throw new UserError(
            folder.attempts() + " is not a record of attempts; move it away to go on without it",
            e);
      }
    }
    return events;
  }
}
