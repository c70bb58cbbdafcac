package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Stream;
import org.sparkfinetune.config.Key.Meaning;

/** How many ranks there are and what each holds. */
public record Parallelism(
    @Key(doc = "ranks, one per executor; without it all executors") OptionalInt numRanks,
    @Key(otherwise = "full_shard", doc = "sharding, and offload of frozen shards to the host")
        Fsdp fsdp,
    @Key(name = "fsdp_config.backward_prefetch", doc = "fetch the next layer while one is computed")
        Optional<BackwardPrefetch> prefetch,
    @Key(
            otherwise = "auto",
            doc = "map the shards of ranks on the same host, or always use the network")
        ExchangeMode exchange,
    @Key(
            otherwise = "auto",
            doc =
                "what gradients go between ranks by: spark's transport or, between GPUs of one"
                    + " host, nccl; auto: nccl where it can be had")
        DdpBackend ddpBackend,
    @Key(
            alias = "activation_offloading",
            otherwise = "false",
            doc = "spill activations between layers to a mapped file")
        boolean activationOffload,
    @Key(
            meaning = Meaning.BYTES,
            doc =
                "what layers keep for backward may take so much (8GB, a number of bytes) on each"
                    + " rank; larger steps run in groups of batches; without it half of the memory")
        OptionalLong activationMemory,
    @Key(
            meaning = Meaning.BYTES,
            doc =
                "what a run may use of each GPU's memory (40GB, a number of bytes); frozen weights"
                    + " stay there as far as they fit beside all else; without it nine tenths")
        OptionalLong gpuMemory) {
  public Parallelism {
    KeyTable.check(
        Parallelism.class,
        numRanks,
        fsdp,
        prefetch,
        exchange,
        ddpBackend,
        activationOffload,
        activationMemory,
        gpuMemory);
  }

  public ShardingStrategy strategy() {
    return fsdp.strategy();
  }

  /** Frozen shards stay on the host; on a CPU they are there anyway. */
  public boolean offload() {
    return fsdp.offload();
  }

  /** A layer is fetched while another is computed. */
  public boolean backwardPrefetch() {
    return !prefetch.equals(Optional.of(BackwardPrefetch.NO_PREFETCH));
  }

  /** With PyTorch's words. */
  public enum BackwardPrefetch implements KeyTable.Choice {
    BACKWARD_PRE,
    BACKWARD_POST,
    NO_PREFETCH
  }

  /** How a rank reads the shards of the others. */
  public enum ExchangeMode implements KeyTable.Choice {
    /** Maps a peer's file where it can, fetches over the network where not. */
    AUTO,
    /** Always over the network. */
    NETWORK
  }

  /** What gradients go between ranks by; the bits are the same. */
  public enum DdpBackend implements KeyTable.Choice {
    /** NCCL where all ranks have a GPU of one host, and it connects them. */
    AUTO,
    /** NCCL, or the run is refused. */
    NCCL,
    /** Spark's transport, through the hosts' memory. */
    SPARK
  }

  /**
   * The sharding word of {@code fsdp}, with PyTorch's meaning for the weights. Gradients and
   * optimizer state are sharded over all ranks under every word: results are the same, and memory
   * only less.
   */
  public enum ShardingStrategy implements KeyTable.Choice {
    /** A rank keeps its share and gathers a layer for each use. */
    FULL_SHARD,
    /** A rank keeps its share, and what it gathered through a step; frozen weights for the run. */
    SHARD_GRAD_OP,
    /** Every rank keeps all. */
    NO_SHARD,
    /** As full_shard between the ranks of a host; every host keeps all. */
    HYBRID_SHARD
  }

  /**
   * The words of the {@code fsdp} key: at most one strategy, {@code offload}, {@code auto_wrap}.
   */
  public record Fsdp(ShardingStrategy strategy, boolean offload, boolean autoWrap) {

    private static final String OFFLOAD = "offload";
    private static final String AUTO_WRAP = "auto_wrap";
    static final String ALLOWED =
        "one of full_shard, shard_grad_op, no_shard, hybrid_shard, and beside it offload and"
            + " auto_wrap, with spaces between";

    static Optional<Fsdp> of(List<String> words) {
      Set<ShardingStrategy> strategies = EnumSet.noneOf(ShardingStrategy.class);
      for (String word : words) {
        Optional<ShardingStrategy> strategy = strategy(word);
        strategy.ifPresent(strategies::add);
        if (strategy.isEmpty() && !word.equals(OFFLOAD) && !word.equals(AUTO_WRAP)) {
          return Optional.empty();
        }
      }
      if (words.isEmpty() || strategies.size() > 1) {
        return Optional.empty();
      }
      ShardingStrategy only = strategies.stream().findFirst().orElse(ShardingStrategy.FULL_SHARD);
      return Optional.of(new Fsdp(only, words.contains(OFFLOAD), words.contains(AUTO_WRAP)));
    }

    String text() {
      List<String> words = new ArrayList<>(List.of(strategy.text()));
      if (autoWrap) {
        words.add(AUTO_WRAP);
      }
      if (offload) {
        words.add(OFFLOAD);
      }
      return String.join(" ", words);
    }

    private static Optional<ShardingStrategy> strategy(String word) {
      return Stream.of(ShardingStrategy.values()).filter(s -> s.text().equals(word)).findFirst();
    }
  }
}
