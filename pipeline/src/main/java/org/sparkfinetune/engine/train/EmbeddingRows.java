package org.sparkfinetune.engine.train;

import org.apache.hadoop.fs.Path;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.ModelFolder;
import org.sparkfinetune.store.Store;

/** Single rows of a model's embedding, read by range. */
public final class EmbeddingRows implements AutoCloseable {
  private final ModelFolder folder;
  private final CheckpointWeights weights;

  private EmbeddingRows(ModelFolder folder) {
    this.folder = folder;
    this.weights = new CheckpointWeights(folder.checkpoint());
  }

  public static EmbeddingRows open(Path modelFolder, Store store) {
    return new EmbeddingRows(ModelFolder.open(modelFolder, store));
  }

  /** The 2-norm of a token's row of {@code width} numbers. */
  public double norm(int token, int width) {
    float[] row = new float[width];
    weights.read(DecoderWeights.EMBED_TOKENS, (long) token * width, row, width);
    double squares = 0;
    for (float x : row) {
      squares += (double) x * x;
    }
    return Math.sqrt(squares);
  }

  @Override
  public void close() {
    folder.close();
  }
}
