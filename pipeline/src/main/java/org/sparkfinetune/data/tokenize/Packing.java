package org.sparkfinetune.data.tokenize;

/** How samples become rows. */
public enum Packing {
  /** As many samples a row as fit. */
  BEST_FIT,
  ONE_SAMPLE_A_ROW;

  /** {@code packing}. */
  public static Packing of(boolean packing) {
    return packing ? BEST_FIT : ONE_SAMPLE_A_ROW;
  }
}
