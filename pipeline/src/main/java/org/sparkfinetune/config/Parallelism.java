package org.sparkfinetune.config;

import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * How many ranks there are and what each holds.
 *
 * @param numRanks executors, one rank each; without it all there are
 * @param offload frozen shards stay on the host (on a CPU always so)
 * @param backwardPrefetch a layer is fetched while another is computed
 * @param activationOffload activations between layers go to a mapped file
 * @param activationMemory bytes that what layers keep for backward may take on a rank; without it
 *     half of the machine's memory, shared between its ranks
 */
public record Parallelism(
    OptionalInt numRanks,
    ShardingStrategy strategy,
    boolean offload,
    boolean backwardPrefetch,
    ExchangeMode exchange,
    boolean activationOffload,
    OptionalLong activationMemory) {
  public Parallelism {
    numRanks.ifPresent(ranks -> TrainKeys.NUM_RANKS.check(Optional.of(ranks)));
    activationMemory.ifPresent(bytes -> TrainKeys.ACTIVATION_MEMORY.check(Optional.of(bytes)));
  }
}
