package org.sparkfinetune.model.safetensors;

import java.util.OptionalLong;

final class Shapes {
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
