package org.sparkfinetune.fsdp;

import java.util.LinkedHashMap;
import java.util.Map;

/** The frozen groups of a model and where each begins in every rank's shard file. */
public final class ShardPlan {
  private static final long PAGE = 4096;

  private final Map<String, FrozenLayout> groups;

  public ShardPlan(Map<String, FrozenLayout> groups) {
    this.groups = new LinkedHashMap<>(groups);
  }

  public Map<String, FrozenLayout> groups() {
    return groups;
  }

  FrozenLayout layout(String group) {
    FrozenLayout layout = groups.get(group);
    if (layout == null) {
      throw new IllegalArgumentException("no frozen group " + group);
    }
    return layout;
  }

  long offset(String group, int rank) {
    long at = 0;
    for (Map.Entry<String, FrozenLayout> entry : groups.entrySet()) {
      if (entry.getKey().equals(group)) {
        return at;
      }
      at += FrozenLayout.align(entry.getValue().sliceBytes(rank), PAGE);
    }
    throw new IllegalArgumentException("no frozen group " + group);
  }

  /** Bytes of a rank's shard file. */
  public long fileBytes(int rank) {
    return groups.values().stream()
        .mapToLong(layout -> FrozenLayout.align(layout.sliceBytes(rank), PAGE))
        .sum();
  }
}
