package org.sparkfinetune.config;

/** {@code fsdp_config.backward_prefetch}, with PyTorch's words. */
enum BackwardPrefetch implements Spelled {
  BACKWARD_PRE,
  BACKWARD_POST,
  NO_PREFETCH
}
