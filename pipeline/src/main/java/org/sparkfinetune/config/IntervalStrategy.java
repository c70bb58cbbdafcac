package org.sparkfinetune.config;

/** {@code eval_strategy} and {@code save_strategy}: when something happens. */
public enum IntervalStrategy implements Spelled {
  NO,
  STEPS,
  EPOCH
}
