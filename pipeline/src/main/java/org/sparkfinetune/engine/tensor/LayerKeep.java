package org.sparkfinetune.engine.tensor;

/** What is kept of a layer's forward for its backward, beside its input; in the script's order. */
public enum LayerKeep {
  NOTHING,
  /** What is cheap to keep and dear to compute again: attention, and all that leads to it. */
  ATTENTION,
  EVERYTHING
}
