package org.sparkfinetune.engine.tensor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What this machine's processor can do. */
public final class Processor {
  private Processor() {}

  /** Without it libtorch emulates bfloat16, tens of times slower than float32. */
  public static boolean hasBfloat16Arithmetic() {
    return hasFlag("avx512_bf16") || hasMatrixUnits();
  }

  /** Whether products of bfloat16 run on units of their own. */
  static boolean hasMatrixUnits() {
    return hasFlag("amx_bf16");
  }

  private static boolean hasFlag(String name) {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines.anyMatch(line -> line.contains(name));
    } catch (IOException e) {
      return false;
    }
  }

  /** How attention is computed on the CPU; {@code scripts.py} has both ways. */
  enum CpuAttention {
    /** libtorch's own kernel, fast where there are matrix units. */
    FLASH,
    /** Blocks of products, faster where products are a matter of vectors. */
    BLOCKS;

    /** What this machine's processor is good at. */
    static CpuAttention here() {
      return Processor.hasMatrixUnits() ? FLASH : BLOCKS;
    }
  }
}
