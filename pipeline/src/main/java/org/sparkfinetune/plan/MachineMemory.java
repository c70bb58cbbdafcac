package org.sparkfinetune.plan;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/** This machine's memory in bytes, as Linux tells it; empty on systems that do not. */
public final class MachineMemory {
  private static final Path FILE = Path.of("/proc/meminfo");

  private MachineMemory() {}

  public static OptionalLong total() {
    return read("MemTotal:");
  }

  /** What processes can still get without others losing theirs. */
  public static OptionalLong available() {
    return read("MemAvailable:");
  }

  private static OptionalLong read(String key) {
    try {
      return Files.readAllLines(FILE).stream()
          .filter(line -> line.startsWith(key))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
          .findFirst();
    } catch (IOException e) {
      return OptionalLong.empty();
    }
  }
}
