package org.sparkfinetune.config;

/** The sharding word of {@code fsdp}, with PyTorch's meaning. */
public enum ShardingStrategy implements Spelled {
  /** Weights, gradients and optimizer state. */
  FULL_SHARD,
  /** Gradients and optimizer state; weights stay gathered through a step. */
  SHARD_GRAD_OP,
  /** Nothing; every rank holds all. */
  NO_SHARD,
  /** Sharded inside a host, replicated across hosts. */
  HYBRID_SHARD
}
