package org.sparkfinetune.config;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Optional;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.config.ModelChoice.MergeBase;

/** Everything that {@code merge} was asked for. */
public record MergeConfig(
    @Key(alias = "model_name_or_path", meaning = Meaning.MODEL, doc = ModelChoice.MODEL)
        String modelId,
    @Key(meaning = Meaning.MODEL, doc = ModelChoice.ADAPTER) Optional<String> adapter,
    @Key(doc = ModelChoice.BASE) Optional<MergeBase> base,
    @Key(meaning = Meaning.PATH, doc = "folder (or, for GGUF, file) to write") String output,
    @Key(
            otherwise = "safetensors",
            doc = "a folder in Hugging Face layout, or one file for llama.cpp")
        MergeFormat format,
    @Key(doc = "type of all weights (safetensors); without it each weight's own")
        Optional<WeightType> dtype,
    @Key(
            otherwise = "2GB",
            meaning = Meaning.BYTES,
            doc = "largest safetensors file: 2GB, 500MB, a number of bytes")
        long maxShardSize) {
  public MergeConfig {
    KeyTable.check(MergeConfig.class, modelId, adapter, base, output, format, dtype, maxShardSize);
  }

  /** The file that a merged model is written as. */
  public enum MergeFormat implements KeyTable.Choice {
    SAFETENSORS,
    /** llama.cpp's file with matrices in half precision. */
    @JsonProperty("gguf-f16")
    GGUF_F16,
    /** llama.cpp's file with matrices in 8 bits, blocks of 32. */
    @JsonProperty("gguf-q8_0")
    GGUF_Q8_0
  }

  /** How weights are written. */
  public enum WeightType implements KeyTable.Choice {
    FLOAT32,
    BFLOAT16,
    FLOAT16
  }
}
