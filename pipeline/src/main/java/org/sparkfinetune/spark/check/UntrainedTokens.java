package org.sparkfinetune.spark.check;

import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.engine.train.EmbeddingRows;
import org.sparkfinetune.model.family.LlamaConfig;

/**
 * Special tokens that a base model has never seen: their rows of the embedding are (nearly) zero
 * where others are not, so a template that uses them trains on noise unless the embedding is
 * trained too.
 */
final class UntrainedTokens {
  /** Ordinary rows that are looked at for comparison. */
  private static final int COMPARED = 64;

  private static final double MUCH_SMALLER = 0.05;

  private UntrainedTokens() {}

  /** Those of {@code ids} whose embedding is untrained. */
  static List<Integer> of(
      Collection<Integer> ids, String modelFolder, LlamaConfig model, Configuration hadoop) {
    try (EmbeddingRows rows = EmbeddingRows.open(new Path(modelFolder), hadoop)) {
      double[] norms = new double[COMPARED];
      for (int i = 0; i < COMPARED; i++) {
        norms[i] =
            rows.norm((int) ((long) model.vocabSize() * i / COMPARED / 2), model.hiddenSize());
      }
      Arrays.sort(norms);
      double ordinary = norms[COMPARED / 2];
      return new TreeSet<>(ids)
          .stream()
              .filter(id -> rows.norm(id, model.hiddenSize()) < MUCH_SMALLER * ordinary)
              .toList();
    }
  }
}
