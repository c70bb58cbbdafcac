package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.Comparator;

/**
 * Where a row stands.
 *
 * @param number 1 for the first line or row of the split
 */
record Place(int file, int split, long number) implements Serializable, Comparable<Place> {
  private static final Comparator<Place> ORDER =
      Comparator.comparingInt(Place::file)
          .thenComparingInt(Place::split)
          .thenComparingLong(Place::number);

  @Override
  public int compareTo(Place other) {
    return ORDER.compare(this, other);
  }
}
