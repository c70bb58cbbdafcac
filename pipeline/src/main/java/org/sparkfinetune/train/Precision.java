package org.sparkfinetune.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.sparkfinetune.config.Compute;
import org.sparkfinetune.tensor.ElementType;

/**
 * Types of a run's tensors.
 *
 * @param compute of weights and activations inside a layer
 * @param stored of activations kept between layers
 */
record Precision(ElementType compute, ElementType stored) {
  static final Precision FLOAT32 = new Precision(ElementType.FLOAT32, ElementType.FLOAT32);
  static final Precision BFLOAT16 = new Precision(ElementType.BFLOAT16, ElementType.BFLOAT16);

  /**
   * bfloat16 on a processor without bfloat16 arithmetic: libtorch emulates it there, tens of times
   * slower than float32. Weights and activations between layers are bfloat16 values, what is
   * computed with them is float32.
   */
  static final Precision BFLOAT16_STORED = new Precision(ElementType.FLOAT32, ElementType.BFLOAT16);

  /** What a configuration asks for, as this processor does it best. */
  static Precision of(Compute compute) {
    if (!compute.bf16()) {
      return FLOAT32;
    }
    return hasBfloat16Arithmetic() ? BFLOAT16 : BFLOAT16_STORED;
  }

  private static boolean hasBfloat16Arithmetic() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines.anyMatch(line -> line.contains("avx512_bf16") || line.contains("amx_bf16"));
    } catch (IOException e) {
      return false;
    }
  }
}
