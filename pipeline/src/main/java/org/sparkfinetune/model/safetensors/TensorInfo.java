package org.sparkfinetune.model.safetensors;

import java.util.Arrays;

/**
 * One entry of a header.
 *
 * @param shape rows first; empty for a scalar
 * @param begin first byte, relative to the file's data section
 * @param end one past the last byte
 */
@SuppressWarnings("ArrayRecordComponent")
public record TensorInfo(String name, DType dtype, long[] shape, long begin, long end) {

  /** Number of elements. */
  public long elements() {
    return byteCount() / dtype.bytes();
  }

  public long byteCount() {
    return end - begin;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TensorInfo that
        && name.equals(that.name)
        && dtype == that.dtype
        && Arrays.equals(shape, that.shape)
        && begin == that.begin
        && end == that.end;
  }

  @Override
  public int hashCode() {
    return 31 * name.hashCode() + Long.hashCode(begin);
  }

  @Override
  public String toString() {
    return name + ": " + dtype + " " + Arrays.toString(shape) + " at [" + begin + ", " + end + ")";
  }
}
