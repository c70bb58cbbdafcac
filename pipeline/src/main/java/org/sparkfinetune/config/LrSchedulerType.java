package org.sparkfinetune.config;

/** {@code lr_scheduler_type}, with the meaning of transformers. */
public enum LrSchedulerType implements Spelled {
  /** The same rate always; ignores the warm-up. */
  CONSTANT,
  CONSTANT_WITH_WARMUP,
  /** Falls to 0 in a line after the warm-up. */
  LINEAR,
  /** Falls to 0 along half a cosine after the warm-up. */
  COSINE
}
