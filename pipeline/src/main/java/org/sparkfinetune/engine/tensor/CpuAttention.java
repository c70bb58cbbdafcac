package org.sparkfinetune.engine.tensor;

/** How attention of bfloat16 is computed on the CPU; {@code scripts.py} has both ways. */
enum CpuAttention {
  /** libtorch's own kernel, fast where there are matrix units. */
  FLASH,
  /** Blocks of products, which are twice as fast where bfloat16 is a matter of vectors. */
  BLOCKS;

  /** What this machine's processor is good at. */
  static CpuAttention here() {
    return Processor.hasBfloat16Arithmetic() && !Processor.hasMatrixUnits() ? BLOCKS : FLASH;
  }
}
