package org.sparkfinetune.model.safetensors;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalLong;
import org.sparkfinetune.errors.Bug;

/** A tensor that is going to be written: what the header says about it, but for the offsets. */
@SuppressWarnings("ArrayRecordComponent")
public record TensorSpec(String name, DType dtype, long... shape) {
  public TensorSpec {
    if (Arrays.stream(shape).anyMatch(size -> size < 0)) {
      throw new Bug("Tensor " + name + " has the shape " + Arrays.toString(shape) + ".");
    }
  }

  public long byteCount() {
    return Math.multiplyExact(Shapes.elements(shape).orElseThrow(), dtype.bytes());
  }

  /**
   * The order in which the format's reference library lays tensors out: wide types first, so that
   * every tensor is aligned, then by name.
   */
  public static List<TensorSpec> inReferenceOrder(List<TensorSpec> tensors) {
    return tensors.stream()
        .sorted(
            Comparator.comparing((TensorSpec tensor) -> -tensor.dtype().layoutRank())
                .thenComparing(TensorSpec::name, Names.BY_UTF8))
        .toList();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TensorSpec that
        && name.equals(that.name)
        && dtype == that.dtype
        && Arrays.equals(shape, that.shape);
  }

  @Override
  public int hashCode() {
    return name.hashCode();
  }

  @Override
  public String toString() {
    return name + ": " + dtype + " " + Arrays.toString(shape);
  }

  static final class Shapes {
    private Shapes() {}

    /** Number of elements, or nothing if a size is negative or the product leaves 63 bits. */
    static OptionalLong elements(long... shape) {
      long product = 1;
      for (long size : shape) {
        long high = Math.multiplyHigh(product, size);
        product *= size;
        if (size < 0 || high != 0 || product < 0) {
          return OptionalLong.empty();
        }
      }
      return OptionalLong.of(product);
    }
  }
}
