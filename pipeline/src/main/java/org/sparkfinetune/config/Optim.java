package org.sparkfinetune.config;

/** {@code optim}: two of transformers' names for the one AdamW that there is. */
enum Optim implements Spelled {
  ADAMW_TORCH,
  ADAMW_TORCH_FUSED
}
