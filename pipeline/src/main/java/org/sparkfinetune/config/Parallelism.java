package org.sparkfinetune.config;

import java.util.OptionalInt;

/**
 * How many ranks there are and what each holds.
 *
 * @param numRanks executors, one rank each; without it all there are
 * @param offload frozen shards stay on the host (on a CPU always so)
 * @param backwardPrefetch a layer is fetched while another is computed
 * @param activationOffload activations between layers go to a mapped file
 */
public record Parallelism(
    OptionalInt numRanks,
    ShardingStrategy strategy,
    boolean offload,
    boolean backwardPrefetch,
    ExchangeMode exchange,
    boolean activationOffload) {
  public Parallelism {
    numRanks.ifPresent(ranks -> TrainKeys.NUM_RANKS.check(java.util.Optional.of(ranks)));
  }
}
