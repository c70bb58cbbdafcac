package org.sparkfinetune.engine.fsdp;

import org.sparkfinetune.engine.tensor.ElementType;
import org.sparkfinetune.model.safetensors.DType;

/** How frozen weights that are not quantised are kept. */
public enum PlainType {
  FLOAT32(DType.F32, ElementType.FLOAT32),
  BFLOAT16(DType.BF16, ElementType.BFLOAT16);

  private final DType stored;
  private final ElementType element;

  PlainType(DType stored, ElementType element) {
    this.stored = stored;
    this.element = element;
  }

  /** As tensors call it. */
  ElementType element() {
    return element;
  }

  /** As safetensors calls it. */
  public DType stored() {
    return stored;
  }

  public int bytes() {
    return stored.bytes();
  }
}
