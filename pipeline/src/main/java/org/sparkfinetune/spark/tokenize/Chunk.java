package org.sparkfinetune.spark.tokenize;

import java.util.Comparator;

/**
 * Where some successive samples of a data set come from. Chunks in this order are the data set in
 * its own order, however Spark spread the files over tasks.
 *
 * @param block where in the file the part begins that was read
 * @param first number of the first sample within that part
 */
record Chunk(String file, long block, long first)
    implements Comparable<Chunk>, java.io.Serializable {
  private static final long serialVersionUID = 1L;

  private static final Comparator<Chunk> ORDER =
      Comparator.comparing(Chunk::file)
          .thenComparingLong(Chunk::block)
          .thenComparingLong(Chunk::first);

  @Override
  public int compareTo(Chunk other) {
    return ORDER.compare(this, other);
  }
}
