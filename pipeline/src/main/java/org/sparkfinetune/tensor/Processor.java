package org.sparkfinetune.tensor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What this machine's processor can do. */
public final class Processor {
  private Processor() {}

  /** Without it libtorch emulates bfloat16, tens of times slower than float32. */
  public static boolean hasBfloat16Arithmetic() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines.anyMatch(line -> line.contains("avx512_bf16") || line.contains("amx_bf16"));
    } catch (IOException e) {
      return false;
    }
  }
}
