package org.sparkfinetune.spark.tokenize;

import java.io.Serializable;
import java.util.Map;
import org.sparkfinetune.data.tokenize.PackingPlan;
import org.sparkfinetune.errors.RunFailure;

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
      throw new RunFailure(
          "The data set changed while it was tokenised: it was read again after an executor was lost, and %s was not there before. Start the command again."
              .formatted(chunk));
    }
    return first;
  }
}
