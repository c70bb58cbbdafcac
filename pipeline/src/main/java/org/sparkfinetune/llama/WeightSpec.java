package org.sparkfinetune.llama;

import java.util.List;

/** Name and shape of a weight, as in the checkpoint. */
public record WeightSpec(String name, List<Long> shape) {
  public static WeightSpec of(String name, long... shape) {
    return new WeightSpec(name, java.util.Arrays.stream(shape).boxed().toList());
  }

  public long elements() {
    return shape.stream().reduce(1L, Math::multiplyExact);
  }

  public long[] dimensions() {
    return shape.stream().mapToLong(Long::longValue).toArray();
  }
}
