package org.sparkfinetune.config;

/** {@code dtype}: how weights are written. */
public enum WeightType implements Spelled {
  FLOAT32,
  BFLOAT16,
  FLOAT16
}
