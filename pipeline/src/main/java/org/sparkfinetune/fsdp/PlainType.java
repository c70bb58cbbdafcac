package org.sparkfinetune.fsdp;

/** How frozen weights that are not quantised are kept. */
public enum PlainType {
  FLOAT32(4),
  BFLOAT16(2);

  private final int bytes;

  PlainType(int bytes) {
    this.bytes = bytes;
  }

  public int bytes() {
    return bytes;
  }
}
