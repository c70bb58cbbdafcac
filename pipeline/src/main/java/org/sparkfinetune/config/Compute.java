package org.sparkfinetune.config;

/**
 * Where and in what numbers is computed.
 *
 * @param bf16 bfloat16 if true, float32 if not
 */
public record Compute(
    DeviceChoice device, boolean bf16, GradientCheckpointing gradientCheckpointing) {}
