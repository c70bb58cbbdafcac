package org.sparkfinetune.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What this process takes of the host's memory, as Linux counts it. */
final class RankMemory {
  private static final Path STATUS = Path.of("/proc/self/status");

  private long peakAnonymous;

  /** Linux keeps no high-water mark of anonymous memory, so it is looked at after every step. */
  void sample() {
    peakAnonymous = Math.max(peakAnonymous, bytes("RssAnon:"));
  }

  long peakAnonymousBytes() {
    return peakAnonymous;
  }

  long peakRssBytes() {
    return bytes("VmHWM:");
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
