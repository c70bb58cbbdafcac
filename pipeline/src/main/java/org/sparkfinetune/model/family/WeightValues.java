package org.sparkfinetune.model.family;

/** A weight as float32, read in pieces, so that nobody has to hold it whole. */
@FunctionalInterface
public interface WeightValues {
  /** NF4's blocks; pieces begin at a multiple of it. */
  int ALIGNMENT = 64;

  /**
   * Reads {@code [first, first + count)}, row by row, into {@code out[0, count)}.
   *
   * @param first a multiple of {@link #ALIGNMENT}
   */
  void read(long first, float[] out, int count);
}
