package org.sparkfinetune.model.quant;

/** The scales of a weight's blocks: quantised themselves, or plain float32. */
public sealed interface Absmax permits NestedAbsmax, PlainAbsmax {
  /** Number of blocks. */
  int blocks();
}
