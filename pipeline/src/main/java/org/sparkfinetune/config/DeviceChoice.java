package org.sparkfinetune.config;

/** {@code device}: where tensors live. */
public enum DeviceChoice implements Spelled {
  /** CUDA where a GPU was assigned and libtorch has CUDA, else the CPU. */
  AUTO,
  CPU,
  CUDA
}
