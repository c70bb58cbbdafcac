package org.sparkfinetune.engine.metrics;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.GrowingFile;
import org.sparkfinetune.store.Store;

/**
 * {@code metrics.jsonl}, written by rank 0 alone; for one thread. A line is visible to readers when
 * {@link #write} returns, on object stores after {@link #flush} or half a minute: flush before a
 * checkpoint becomes visible, or its lines may be missing after a kill.
 *
 * <p>A resumed run keeps the lines up to its checkpoint's step, evaluations at that very step
 * included, as an evaluation comes before the checkpoint of its step.
 */
public final class MetricsLog implements AutoCloseable {

  private final GrowingFile file;

  private MetricsLog(GrowingFile file) {
    this.file = file;
  }

  /** An empty log in place of what was there. */
  public static MetricsLog start(RunFolder folder, Store files) {
    return new MetricsLog(files.grow(folder.metrics(), new byte[0]));
  }

  /** The log without the lines after {@code step}. */
  public static MetricsLog resume(RunFolder folder, Store files, long step) {
    StringBuilder kept = new StringBuilder();
    read(folder, files).stream()
        .filter(line -> line.step() <= step)
        .forEach(line -> kept.append(line.json()).append('\n'));
    return new MetricsLog(
        files.grow(folder.metrics(), kept.toString().getBytes(StandardCharsets.UTF_8)));
  }

  /** The lines so far; a last one that was cut off is left out. */
  public static List<MetricsLine> read(RunFolder folder, Store files) {
    Path path = folder.metrics();
    return parse(path, new String(files.read(path).orElse(new byte[0]), StandardCharsets.UTF_8), 0);
  }

  /**
   * The whole lines in a text.
   *
   * @param before lines of the file before it
   */
  static List<MetricsLine> parse(Path path, String text, int before) {
    List<MetricsLine> lines = new ArrayList<>();
    int number = before;
    for (int from = 0, end; (end = text.indexOf('\n', from)) >= 0; from = end + 1) {
      number++;
      String line = text.substring(from, end);
      String where = path + ":" + number;
      lines.add(
          MetricsLine.parse(line)
              .orElseThrow(
                  () ->
                      new UserError(
                          where
                              + ": this is not a line of metrics; move the file away to go on"
                              + " without it")));
    }
    return lines;
  }

  public void write(MetricsLine line) {
    file.append((line.json() + "\n").getBytes(StandardCharsets.UTF_8));
  }

  public void flush() {
    file.flush();
  }

  @Override
  public void close() {
    file.close();
  }
}
