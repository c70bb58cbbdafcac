package org.sparkfinetune.engine.train;

import java.util.Map;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.ModelFolder;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.store.Store;

/** The model that training begins with: a folder in Hugging Face layout, read by ranges. */
public final class BaseModel implements AutoCloseable {
  private final ModelFolder folder;
  private final CheckpointWeights weights;

  private BaseModel(ModelFolder folder) {
    this.folder = folder;
    this.weights =
        new CheckpointWeights(
            folder.checkpoint(),
            folder.config().tieWordEmbeddings()
                ? Map.of(DecoderWeights.LM_HEAD, DecoderWeights.EMBED_TOKENS)
                : Map.of());
  }

  /**
   * @throws UserError if the folder has no config.json, it is no model that can be read, or a
   *     weight is missing, short or of another shape
   */
  public static BaseModel open(String folder, Store store) {
    return new BaseModel(ModelFolder.open(new Path(folder), store));
  }

  public DecoderConfig config() {
    return folder.config();
  }

  CheckpointWeights weights() {
    return weights;
  }

  /** A float32 (or float16) model keeps its values exactly. */
  PlainType plainType() {
    return folder.dtype(DecoderWeights.EMBED_TOKENS) == DType.BF16
        ? PlainType.BFLOAT16
        : PlainType.FLOAT32;
  }

  @Override
  public void close() {
    folder.close();
  }
}
