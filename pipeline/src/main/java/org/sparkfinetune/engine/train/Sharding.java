package org.sparkfinetune.engine.train;

import org.sparkfinetune.config.Parallelism;
import org.sparkfinetune.config.ShardingStrategy;
import org.sparkfinetune.engine.exchange.Exchange;
import org.sparkfinetune.engine.fsdp.FrozenReader.Gathering;
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
  ShardRanks frozenRanks(Exchange exchange) {
    return switch (strategy) {
      case FULL_SHARD, SHARD_GRAD_OP -> ShardRanks.all(exchange);
      case HYBRID_SHARD -> ShardRanks.onThisHost(exchange);
      case NO_SHARD -> ShardRanks.alone(exchange);
    };
  }

  /** What becomes of the weights of other ranks. */
  Gathering gathering() {
    return switch (strategy) {
      case FULL_SHARD, HYBRID_SHARD -> Gathering.EACH_USE;
      case SHARD_GRAD_OP, NO_SHARD -> Gathering.EACH_VERSION;
    };
  }
}
