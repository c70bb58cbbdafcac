package org.sparkfinetune.engine.fsdp;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The frozen groups of a model, who holds them, and where each begins in every shard file. */
public final class ShardPlan {
  private static final long PAGE = 4096;

  private final Map<String, FrozenLayout> groups;
  private final ShardRanks ranks;

  /** Of each rank's file by its position: where groups begin. */
  private final Map<Integer, Map<String, Long>> offsets = new ConcurrentHashMap<>();

  /**
   * @param groups each split between {@code ranks}
   */
  public ShardPlan(Map<String, FrozenLayout> groups, ShardRanks ranks) {
    this.groups = new LinkedHashMap<>(groups);
    this.ranks = ranks;
  }

  ShardRanks ranks() {
    return ranks;
  }

  public Map<String, FrozenLayout> groups() {
    return groups;
  }

  public FrozenLayout layout(String group) {
    FrozenLayout layout = groups.get(group);
    if (layout == null) {
      throw new IllegalArgumentException("no frozen group " + group);
    }
    return layout;
  }

  /** Where a group's slice begins in the shard file of the rank at {@code position}. */
  long offset(String group, int position) {
    Long offset = offsets.computeIfAbsent(position, this::offsets).get(group);
    if (offset == null) {
      throw new IllegalArgumentException("no frozen group " + group);
    }
    return offset;
  }

  private Map<String, Long> offsets(int position) {
    Map<String, Long> offsets = new HashMap<>();
    long at = 0;
    for (Map.Entry<String, FrozenLayout> entry : groups.entrySet()) {
      offsets.put(entry.getKey(), at);
      at += FrozenLayout.align(entry.getValue().sliceBytes(position), PAGE);
    }
    return offsets;
  }

  /** Bytes of this rank's shard file. */
  public long fileBytes() {
    return groups.values().stream()
        .mapToLong(layout -> FrozenLayout.align(layout.sliceBytes(ranks.position()), PAGE))
        .sum();
  }

  /**
   * Some units split evenly between ranks: every rank has {@code ceil(units / ranks)} of them but
   * the last ones, which may have fewer or none.
   */
  record EvenSplit(long units, int ranks) {
    long perRank() {
      return (units + ranks - 1) / ranks;
    }

    long begin(int rank) {
      return Math.min(units, rank * perRank());
    }

    long end(int rank) {
      return Math.min(units, (rank + 1) * perRank());
    }

    long count(int rank) {
      return end(rank) - begin(rank);
    }

    int owner(long unit) {
      return (int) (unit / perRank());
    }
  }
}
