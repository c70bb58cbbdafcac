package org.sparkfinetune.engine.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.sparkfinetune.engine.metrics.Phase;

/**
 * What this process takes of the host's memory, as Linux counts it. Linux keeps no high-water mark
 * of anonymous memory, so a thread looks many times a second, and knows which phase it is for.
 */
final class RankMemory {
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final int PERIOD_MILLIS = 20;

  private final Map<Phase, Long> peaks = new EnumMap<>(Phase.class);

  /** Looks until it is closed. */
  interface Watch extends AutoCloseable {
    @Override
    void close();
  }

  Watch watch(Supplier<Phase> phase) {
    ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    var unused =
        timer.scheduleWithFixedDelay(
            () -> sample(phase.get()), 0, PERIOD_MILLIS, TimeUnit.MILLISECONDS);
    return timer::shutdownNow;
  }

  /** One look, for what is shorter than a period. */
  synchronized void sample(Phase phase) {
    peaks.merge(phase, anonymousBytes(), Math::max);
  }

  /** The most that was seen in each phase. */
  synchronized Map<Phase, Long> anonymousBytesByPhase() {
    return new EnumMap<>(peaks);
  }

  synchronized long peakAnonymousBytes() {
    return peaks.values().stream().mapToLong(Long::longValue).max().orElse(0);
  }

  long peakRssBytes() {
    return bytes("VmHWM:");
  }

  static long anonymousBytes() {
    return bytes("RssAnon:");
  }

  private static long bytes(String key) {
    try {
      for (String line : Files.readAllLines(STATUS)) {
        if (line.startsWith(key)) {
          return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
        }
      }
    } catch (IOException e) {
      // Not Linux: nothing is known.
      return 0;
    }
    return 0;
  }
}
