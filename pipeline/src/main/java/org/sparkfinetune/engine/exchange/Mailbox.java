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
final class Mailbox {
  /** Names a set of contributions. */
  record Key(String name, long version) {
    @Override
    public String toString() {
      return "'%s' version %s".formatted(name, version);
    }
  }

  private static final class Parcel {
    private final @Nullable ByteBuffer[] contributions;
    private final CompletableFuture<List<ByteBuffer>> complete = new CompletableFuture<>();
    private int missing;
    private boolean asked;

    Parcel(int worldSize) {
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
  private final Map<Key, Parcel> parcels = new HashMap<>();

  Mailbox(int worldSize) {
    this.worldSize = worldSize;
  }

  void deliver(int from, Key key, ByteBuffer bytes) {
    Parcel parcel;
    synchronized (this) {
      parcel = parcels.computeIfAbsent(key, k -> new Parcel(worldSize));
      if (parcel.contributions[from] != null) {
        throw new Bug("Rank %s pushed %s twice.".formatted(from, key));
      }
      parcel.contributions[from] = bytes;
      parcel.missing--;
      if (parcel.missing > 0) {
        return;
      }
      removeIfDone(key, parcel);
    }
    parcel.complete.complete(parcel.inRankOrder());
  }

  synchronized CompletableFuture<List<ByteBuffer>> take(Key key) {
    Parcel parcel = parcels.computeIfAbsent(key, k -> new Parcel(worldSize));
    parcel.asked = true;
    removeIfDone(key, parcel);
    return parcel.complete;
  }

  /** Ranks whose contribution to a set that was asked for has not arrived. */
  synchronized List<Integer> missing(Key key) {
    Parcel parcel = parcels.get(key);
    if (parcel == null) {
      // Complete, and about to be handed over by whoever delivered the last one.
      return List.of();
    }
    List<Integer> missing = new ArrayList<>();
    for (int rank = 0; rank < worldSize; rank++) {
      if (parcel.contributions[rank] == null) {
        missing.add(rank);
      }
    }
    return missing;
  }

  private void removeIfDone(Key key, Parcel parcel) {
    if (parcel.asked && parcel.missing == 0) {
      parcels.remove(key);
    }
  }
}
