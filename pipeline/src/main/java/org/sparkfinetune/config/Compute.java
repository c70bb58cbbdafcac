package org.sparkfinetune.config;

import java.io.Serializable;

/**
 * Where and in what numbers is computed; travels to executors.
 *
 * @param bf16 bfloat16 if true, float32 if not
 */
public record Compute(
    DeviceChoice device, boolean bf16, GradientCheckpointing gradientCheckpointing)
    implements Serializable {
  private static final long serialVersionUID = 1L;
}
