package org.sparkfinetune.model.safetensors;

import java.util.Arrays;
import java.util.List;

/** Name and shape of a weight; names are those in the checkpoint. */
public record NamedShape(String name, List<Long> shape) {
  public static NamedShape of(String name, long... shape) {
    return new NamedShape(name, Arrays.stream(shape).boxed().toList());
  }

  public long elements() {
    return shape.stream().reduce(1L, Math::multiplyExact);
  }

  public long[] dimensions() {
    return shape.stream().mapToLong(Long::longValue).toArray();
  }
}
