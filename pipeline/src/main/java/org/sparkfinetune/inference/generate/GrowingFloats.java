package org.sparkfinetune.inference.generate;

/** Numbers that the next ones replace: arrays that are new are cleared and come from memory. */
final class GrowingFloats {
  private float[] array = {};

  /** At least so many numbers, which mean nothing once others were asked for. */
  float[] of(int size) {
    if (array.length < size) {
      // With a context that grows by a token at a time, not a new array for each.
      array = new float[Math.max(size, array.length + array.length / 4)];
    }
    return array;
  }
}
