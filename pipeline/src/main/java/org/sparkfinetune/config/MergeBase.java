package org.sparkfinetune.config;

/** {@code base}: the weights that an adapter is applied to. */
public enum MergeBase implements Spelled {
  /** As they are in the checkpoint. */
  SIXTEEN_BIT("16bit"),
  /** After a round trip through NF4: what QLoRA trained over. */
  DEQUANTIZED("dequantized");

  private final String text;

  MergeBase(String text) {
    this.text = text;
  }

  @Override
  public String text() {
    return text;
  }
}
