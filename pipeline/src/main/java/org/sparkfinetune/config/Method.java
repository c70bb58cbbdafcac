package org.sparkfinetune.config;

/** {@code method}: which weights are trained, and how the frozen ones are stored. */
public enum Method implements Spelled {
  /** Adapters over frozen weights in NF4. */
  QLORA,
  /** Adapters over frozen weights in 16 bits. */
  LORA,
  /** All weights. */
  FULL
}
