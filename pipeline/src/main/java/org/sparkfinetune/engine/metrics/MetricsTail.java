package org.sparkfinetune.engine.metrics;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.store.Store;

/**
 * Follows {@code metrics.jsonl} while another process writes it, with few requests: on object
 * stores it is asked whether there is another file, and only what was not read before is read. A
 * run that goes on from a checkpoint takes lines back; so what is read begins with the last line
 * that is known, and where another line is there, all is read again. For one thread.
 */
public final class MetricsTail {
  private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);

  private final Path path;
  private final Store files;
  private List<MetricsLine> lines = List.of();
  private Optional<String> version = Optional.empty();
  private byte[] last = new byte[0];
  private long lastAt;

  public MetricsTail(RunFolder folder, Store files) {
    this.path = folder.metrics();
    this.files = files;
  }

  /** All lines, as of the last look. */
  public List<MetricsLine> lines() {
    return lines;
  }

  /** Looks again; how many lines are as they were, those after them are new. */
  public int look() {
    Optional<String> found = files.version(path);
    if (found.isPresent() && found.equals(version)) {
      return lines.size();
    }
    List<MetricsLine> before = lines;
    byte[] bytes = files.readFrom(path, lastAt);
    boolean isLonger = startsWithLast(bytes);
    if (isLonger) {
      take(lines, bytes);
    } else {
      lastAt = 0;
      take(List.of(), files.readFrom(path, 0));
    }
    version = found;
    return isLonger ? before.size() : common(before, lines);
  }

  private boolean startsWithLast(byte[] bytes) {
    return bytes.length >= last.length
        && Arrays.equals(bytes, 0, last.length, last, 0, last.length);
  }

  /**
   * @param known lines, the last of which {@code bytes} begins with
   */
  private void take(List<MetricsLine> known, byte[] bytes) {
    List<MetricsLine> all =
        new ArrayList<>(known.isEmpty() ? known : known.subList(0, known.size() - 1));
    int end = bytes.length;
    while (end > 0 && bytes[end - 1] != '\n') {
      end--;
    }
    all.addAll(
        MetricsLog.parse(path, new String(bytes, 0, end, StandardCharsets.UTF_8), all.size()));
    int begin = Math.max(0, end - 1);
    while (begin > 0 && bytes[begin - 1] != '\n') {
      begin--;
    }
    last = Arrays.copyOfRange(bytes, begin, end);
    lastAt += begin;
    lines = List.copyOf(all);
  }

  private static int common(List<MetricsLine> before, List<MetricsLine> after) {
    int same = 0;
    while (same < Math.min(before.size(), after.size())
        && before.get(same).equals(after.get(same))) {
      same++;
    }
    return same;
  }

  /** How long the next look can wait: half as long as a line takes, within what the store shows. */
  public Duration pause() {
    Duration shortest = files.freshness(path);
    double seconds =
        lines.size() < 2
            ? 0
            : lines.get(lines.size() - 1).runtime() - lines.get(lines.size() - 2).runtime();
    Duration half = Duration.ofMillis(Math.round(Math.max(0, seconds) * 500));
    Duration longest = half.compareTo(LONGEST_PAUSE) < 0 ? half : LONGEST_PAUSE;
    return longest.compareTo(shortest) > 0 ? longest : shortest;
  }
}
