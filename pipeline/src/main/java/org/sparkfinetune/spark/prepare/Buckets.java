package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import org.apache.spark.unsafe.hash.Murmur3_x86_32;
import org.sparkfinetune.errors.Bug;

/**
 * Ranges of the shuffled order, all equally wide, and one partition more for the counts. Their
 * number depends on the size of the input alone, so the files are the same on every cluster.
 *
 * <p>Spark's range partitioning would read the whole input twice to find ranges that we know: a
 * hash is uniform. A Partitioner of our own would need {@code repartitionAndSortWithinPartitions},
 * which sorts Java objects and not Tungsten's binary rows. So the exchange is by hash, of a number
 * chosen such that Spark's own hash sends bucket i to partition i; {@link #check} makes sure that
 * it did.
 */
// The arrays are made here and never handed out; nobody compares two of these.
@SuppressWarnings("ArrayRecordComponent")
record Buckets(int count, int[] slots) implements Serializable {
  private static final long BYTES_EACH = 16L << 20;
  private static final int SPARKS_SEED = 42;

  static Buckets forInputOf(long bytes) {
    return of((int) Math.min(8192, 1 + bytes / BYTES_EACH));
  }

  static Buckets of(int count) {
    int partitions = count + 1;
    int[] slots = new int[partitions];
    boolean[] found = new boolean[partitions];
    int missing = partitions;
    for (int candidate = 0; missing > 0; candidate++) {
      int hash = Murmur3_x86_32.hashInt(candidate, SPARKS_SEED);
      int partition = Math.floorMod(hash, partitions);
      if (!found[partition]) {
        found[partition] = true;
        slots[partition] = candidate;
        missing--;
      }
    }
    return new Buckets(count, slots);
  }

  int partitions() {
    return count + 1;
  }

  /** The bucket of a position in the order: ascending with it. */
  int bucketOf(long order) {
    long top31 = (order ^ Long.MIN_VALUE) >>> 33;
    return (int) ((top31 * count) >>> 31);
  }

  /** What to partition by so that a row gets to {@code bucket}. */
  int slot(int bucket) {
    return slots[bucket];
  }

  int countsSlot() {
    return slots[count];
  }

  boolean isCounts(int partition) {
    return partition == count;
  }

  void check(int partition, long order) {
    if (bucketOf(order) != partition) {
      throw new Bug(
          "Spark sent a row of bucket %s to partition %s.".formatted(bucketOf(order), partition));
    }
  }
}
