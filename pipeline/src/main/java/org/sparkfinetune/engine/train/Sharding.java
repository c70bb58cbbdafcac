package org.sparkfinetune.engine.train;

import org.sparkfinetune.config.Parallelism;
import org.sparkfinetune.config.ShardingStrategy;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.FrozenReader.Reshard;
import org.sparkfinetune.engine.fsdp.ShardRanks;

/** How a model is spread over the ranks. */
record Sharding(ShardingStrategy strategy, Prefetch prefetch) {
  enum Prefetch {
    /** A layer is asked for while the one before it is computed. */
    NEXT_LAYER,
    NONE
  }

  static Sharding of(Parallelism parallelism) {
    return new Sharding(
        parallelism.strategy(),
        parallelism.backwardPrefetch() ? Prefetch.NEXT_LAYER : Prefetch.NONE);
  }

  /** Who holds the frozen weights together with this rank. */
  ShardRanks frozenRanks(ProcessGroup exchange) {
    return switch (strategy) {
      case FULL_SHARD, SHARD_GRAD_OP -> ShardRanks.all(exchange);
      case HYBRID_SHARD -> ShardRanks.onThisHost(exchange);
      case NO_SHARD -> ShardRanks.alone(exchange);
    };
  }

  /** What becomes of the weights of other ranks. */
  Reshard reshard() {
    return switch (strategy) {
      case FULL_SHARD, HYBRID_SHARD -> Reshard.AFTER_EACH_USE;
      case SHARD_GRAD_OP, NO_SHARD -> Reshard.AFTER_EACH_VERSION;
    };
  }
}
