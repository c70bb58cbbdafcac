package org.sparkfinetune.engine.tensor;

/** Element types of tensors; {@code code} is libtorch's number for it in scripts. */
public enum ElementType {
  UINT8(0, 1),
  INT64(4, 8),
  FLOAT32(6, 4),
  FLOAT64(7, 8),
  BFLOAT16(15, 2);

  private final int code;
  private final int bytes;

  ElementType(int code, int bytes) {
    this.code = code;
    this.bytes = bytes;
  }

  int code() {
    return code;
  }

  public int bytes() {
    return bytes;
  }
}
