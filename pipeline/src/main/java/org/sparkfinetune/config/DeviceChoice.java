package org.sparkfinetune.config;

/** {@code device}: where tensors live. */
public enum DeviceChoice implements Spelled {
  /** CUDA where a GPU was assigned, else the CPU. */
  AUTO,
  CPU,
  CUDA
}
