package org.sparkfinetune.model.quant;

import java.util.Arrays;

/** The scales of a weight's blocks: quantised themselves, or plain float32. */
public sealed interface Absmax permits NestedAbsmax, Absmax.PlainAbsmax {
  /** Number of blocks. */
  int blocks();

  /**
   * Scales without double quantisation.
   *
   * @param values one a block
   */
  @SuppressWarnings("ArrayRecordComponent")
  record PlainAbsmax(float[] values) implements Absmax {
    @Override
    public int blocks() {
      return values.length;
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof PlainAbsmax that && Arrays.equals(values, that.values);
    }

    @Override
    public int hashCode() {
      return Arrays.hashCode(values);
    }

    @Override
    public String toString() {
      return "PlainAbsmax of " + values.length + " blocks";
    }
  }
}
