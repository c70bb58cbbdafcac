package org.sparkfinetune.engine.train;

import java.util.Map;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.engine.fsdp.WeightSource.PlainType;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.ModelFolder;
import org.sparkfinetune.model.family.WeightValues;
import org.sparkfinetune.model.family.WeightValues.QuantizedValues;
import org.sparkfinetune.model.family.WeightValues.QuantizedValues.Rounding;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.model.safetensors.Floats;
import org.sparkfinetune.model.safetensors.NamedShape;
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

  /** A linear's weight as a run computes with it: quantised and decoded again for QLoRA. */
  LinearWeight linear(String nameInModel, Method method, boolean bf16) {
    String name = config().names().here(nameInModel);
    NamedShape shape =
        folder.weights().stream().filter(w -> w.name().equals(name)).findFirst().orElseThrow();
    Rounding rounding = bf16 ? Rounding.BFLOAT16 : Rounding.FLOAT32;
    if (folder.isQuantized(name)) {
      WeightValues stored = (first, out, count) -> weights.read(name, first, out, count);
      return new LinearWeight(shape, bf16 ? rounded(stored) : stored);
    }
    WeightValues values = folder.values(name);
    return new LinearWeight(
        shape,
        method == Method.QLORA ? new QuantizedValues(values, shape.elements(), rounding) : values);
  }

  private static WeightValues rounded(WeightValues values) {
    return (first, out, count) -> {
      values.read(first, out, count);
      for (int i = 0; i < count; i++) {
        out[i] = Floats.bf16ToFloat(Floats.floatToBf16(out[i]));
      }
    };
  }

  /** A weight (out, in). */
  record LinearWeight(NamedShape shape, WeightValues values) {
    int out() {
      return Math.toIntExact(shape.shape().get(0));
    }

    int in() {
      return Math.toIntExact(shape.shape().get(1));
    }
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
