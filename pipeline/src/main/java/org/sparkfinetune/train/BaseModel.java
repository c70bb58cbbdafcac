package org.sparkfinetune.train;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.fsdp.PlainType;
import org.sparkfinetune.llama.LlamaConfig;
import org.sparkfinetune.llama.LlamaConfigReader;
import org.sparkfinetune.llama.LlamaWeights;
import org.sparkfinetune.safetensors.Checkpoint;
import org.sparkfinetune.safetensors.DType;
import org.sparkfinetune.tensor.NamedShape;

/** A model folder in Hugging Face layout, checked when it is opened. */
public final class BaseModel implements AutoCloseable {
  private final LlamaConfig config;
  private final Checkpoint checkpoint;
  private final CheckpointWeights weights;

  private BaseModel(LlamaConfig config, Checkpoint checkpoint) {
    this.config = config;
    this.checkpoint = checkpoint;
    this.weights =
        new CheckpointWeights(
            checkpoint,
            names(config),
            config.tieWordEmbeddings()
                ? Map.of(LlamaWeights.LM_HEAD, LlamaWeights.EMBED_TOKENS)
                : Map.of());
  }

  /**
   * @throws UserError if the folder has no config.json, it is no Llama, or a weight is missing,
   *     short or of another shape
   */
  public static BaseModel open(String folder, Configuration hadoop) {
    Path path = new Path(folder);
    Path file = new Path(path, "config.json");
    try (FSDataInputStream in = file.getFileSystem(hadoop).open(file)) {
      String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      LlamaConfig config = LlamaConfigReader.read(text, file.toString());
      return new BaseModel(config, Checkpoint.open(path, hadoop));
    } catch (FileNotFoundException e) {
      throw new UserError(
          String.format(
              "model_id is %s, but there is no config.json in that folder. It has to be a model in"
                  + " Hugging Face layout: config.json, safetensors, tokenizer.json. Relative paths are"
                  + " looked up on %s; write file:/… for this machine's disk.",
              folder, hadoop.get("fs.defaultFS", "file:///")),
          e);
    } catch (IOException e) {
      throw new UserError("model_id is " + folder + ", which cannot be read: " + e.getMessage(), e);
    }
  }

  public LlamaConfig config() {
    return config;
  }

  CheckpointWeights weights() {
    return weights;
  }

  /** A float32 (or float16) model keeps its values exactly. */
  PlainType plainType() {
    DType type = checkpoint.info(LlamaWeights.EMBED_TOKENS).dtype();
    return type == DType.BF16 ? PlainType.BFLOAT16 : PlainType.FLOAT32;
  }

  private static List<NamedShape> names(LlamaConfig config) {
    List<NamedShape> names = new ArrayList<>();
    names.add(LlamaWeights.embedTokens(config));
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      names.addAll(LlamaWeights.layer(config, layer));
    }
    names.add(LlamaWeights.finalNorm(config));
    if (!config.tieWordEmbeddings()) {
      names.add(LlamaWeights.lmHead(config));
    }
    return names;
  }

  @Override
  public void close() {
    checkpoint.close();
  }
}
