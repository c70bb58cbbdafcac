package org.sparkfinetune.model.safetensors;

import java.util.Optional;

/** Element types of safetensors files that we read and write; the names are the format's own. */
public enum DType {
  F64(8, 10),
  F32(4, 9),
  F16(2, 6),
  BF16(2, 7),
  I64(8, 11),
  I32(4, 8),
  I16(2, 4),
  I8(1, 2),
  U8(1, 1),
  BOOL(1, 0);

  private final int bytes;
  private final int layoutRank;

  DType(int bytes, int layoutRank) {
    this.bytes = bytes;
    this.layoutRank = layoutRank;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }

  /** Place in the order in which the reference writer lays tensors out, widest alignment last. */
  int layoutRank() {
    return layoutRank;
  }

  static Optional<DType> parse(String name) {
    for (DType type : values()) {
      if (type.name().equals(name)) {
        return Optional.of(type);
      }
    }
    return Optional.empty();
  }
}
