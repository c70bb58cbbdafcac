package org.sparkfinetune.config;

/** {@code gradient_checkpointing}: what is kept of a layer's forward for its backward. */
public enum GradientCheckpointing implements Spelled {
  /** Only the layer's input; all else is computed again. */
  ON("true"),
  /** Everything. */
  OFF("false"),
  /** What is cheap to keep and dear to compute again. */
  SELECTIVE("selective");

  private final String text;

  GradientCheckpointing(String text) {
    this.text = text;
  }

  @Override
  public String text() {
    return text;
  }
}
