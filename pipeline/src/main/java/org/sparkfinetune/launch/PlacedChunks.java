package org.sparkfinetune.launch;

import java.io.Serializable;
import java.util.Map;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.tokenize.PackingPlan;

/**
 * The plan of the rows on its way to the executors.
 *
 * @param firstSample of each chunk the number of its first sample in the data set
 */
record PlacedChunks(Map<Chunk, Integer> firstSample, PackingPlan plan) implements Serializable {
  private static final long serialVersionUID = 1L;

  int firstSampleOf(Chunk chunk) {
    Integer first = firstSample.get(chunk);
    if (first == null) {
      throw new Bug("Reading the data set again gave other parts: " + chunk + ".");
    }
    return first;
  }
}
