package org.sparkfinetune.config;

/**
 * The sharding word of {@code fsdp}, with PyTorch's meaning for the weights. Gradients and
 * optimizer state are sharded over all ranks under every word: results are the same, and memory
 * only less.
 */
public enum ShardingStrategy implements Spelled {
  /** A rank keeps its share and gathers a layer for each use. */
  FULL_SHARD,
  /** A rank keeps its share, and what it gathered through a step; frozen weights for the run. */
  SHARD_GRAD_OP,
  /** Every rank keeps all. */
  NO_SHARD,
  /** As full_shard between the ranks of a host; every host keeps all. */
  HYBRID_SHARD
}
