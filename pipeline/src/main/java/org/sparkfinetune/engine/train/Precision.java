package org.sparkfinetune.engine.train;

import org.sparkfinetune.config.Compute;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/**
 * Types of a run's tensors.
 *
 * @param compute of weights and activations inside a layer
 * @param stored of activations kept between layers
 */
record Precision(ElementType compute, ElementType stored) {
  static final Precision FLOAT32 = new Precision(ElementType.FLOAT32, ElementType.FLOAT32);
  static final Precision BFLOAT16 = new Precision(ElementType.BFLOAT16, ElementType.BFLOAT16);

  /**
   * bfloat16 on a device without bfloat16 arithmetic: libtorch emulates it there, tens of times
   * slower than float32. Weights and activations between layers are bfloat16 values, what is
   * computed with them is float32.
   */
  static final Precision BFLOAT16_STORED = new Precision(ElementType.FLOAT32, ElementType.BFLOAT16);

  /** What a configuration asks for, as the device does it best. */
  static Precision of(Compute compute, ComputeDevice device) {
    if (!compute.bf16()) {
      return FLOAT32;
    }
    return device.hasBfloat16Arithmetic() ? BFLOAT16 : BFLOAT16_STORED;
  }
}
