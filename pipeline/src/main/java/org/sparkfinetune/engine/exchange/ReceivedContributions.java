package org.sparkfinetune.engine.exchange;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.Bug;

/** Contributions pushed to this rank, kept until all ranks' are there and were asked for. */
final class ReceivedContributions {
  /** Names a set of contributions. */
  record Key(String name, long version) {
    @Override
    public String toString() {
      return "'%s' version %s".formatted(name, version);
    }
  }

  private static final class ContributionSet {
    private final @Nullable ByteBuffer[] contributions;
    private final CompletableFuture<List<ByteBuffer>> complete = new CompletableFuture<>();
    private int missing;
    private boolean asked;

    ContributionSet(int worldSize) {
      contributions = new ByteBuffer[worldSize];
      missing = worldSize;
    }

    List<ByteBuffer> inRankOrder() {
      List<ByteBuffer> all = new ArrayList<>(contributions.length);
      for (ByteBuffer contribution : contributions) {
        if (contribution != null) {
          all.add(contribution);
        }
      }
      return List.copyOf(all);
    }
  }

  private final int worldSize;
  private final Map<Key, ContributionSet> sets = new HashMap<>();

  ReceivedContributions(int worldSize) {
    this.worldSize = worldSize;
  }

  void deliver(int from, Key key, ByteBuffer bytes) {
    ContributionSet set;
    synchronized (this) {
      set = sets.computeIfAbsent(key, k -> new ContributionSet(worldSize));
      if (set.contributions[from] != null) {
        throw new Bug("Rank %s pushed %s twice.".formatted(from, key));
      }
      set.contributions[from] = bytes;
      set.missing--;
      if (set.missing > 0) {
        return;
      }
      removeIfDone(key, set);
    }
    set.complete.complete(set.inRankOrder());
  }

  synchronized CompletableFuture<List<ByteBuffer>> take(Key key) {
    ContributionSet set = sets.computeIfAbsent(key, k -> new ContributionSet(worldSize));
    set.asked = true;
    removeIfDone(key, set);
    return set.complete;
  }

  /** Ranks whose contribution to a set that was asked for has not arrived. */
  synchronized List<Integer> missing(Key key) {
    ContributionSet set = sets.get(key);
    if (set == null) {
      // Complete, and about to be handed over by whoever delivered the last one.
      return List.of();
    }
    List<Integer> missing = new ArrayList<>();
    for (int rank = 0; rank < worldSize; rank++) {
      if (set.contributions[rank] == null) {
        missing.add(rank);
      }
    }
    return missing;
  }

  private void removeIfDone(Key key, ContributionSet set) {
    if (set.asked && set.missing == 0) {
      sets.remove(key);
    }
  }
}
