package org.sparkfinetune.fsdp;

import org.sparkfinetune.safetensors.DType;

/** How frozen weights that are not quantised are kept. */
public enum PlainType {
  FLOAT32(DType.F32),
  BFLOAT16(DType.BF16);

  private final DType stored;

  PlainType(DType stored) {
    this.stored = stored;
  }

  /** As safetensors calls it. */
  public DType stored() {
    return stored;
  }

  public int bytes() {
    return stored.bytes();
  }
}
