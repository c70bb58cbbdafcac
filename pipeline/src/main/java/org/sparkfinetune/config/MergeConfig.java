package org.sparkfinetune.config;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Optional;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.config.ModelChoice.MergeBase;
import org.sparkfinetune.errors.UserError;

/** Everything that {@code merge} was asked for. */
public record MergeConfig(
    @Key(alias = "model_name_or_path", meaning = Meaning.MODEL, doc = ModelChoice.MODEL)
        String modelId,
    @Key(meaning = Meaning.MODEL, doc = ModelChoice.ADAPTER) Optional<String> adapter,
    @Key(doc = ModelChoice.BASE) Optional<MergeBase> base,
    @Key(meaning = Meaning.PATH, doc = "folder (or, for GGUF, file) to write") String output,
    @Key(
            otherwise = "safetensors",
            doc = "a folder in Hugging Face layout, the adapter alone, or one file for llama.cpp")
        MergeFormat format,
    @Key(doc = "type of all weights (safetensors); without it each weight's own")
        Optional<WeightType> dtype,
    @Key(
            otherwise = "2GB",
            meaning = Meaning.BYTES,
            doc = "largest safetensors file: 2GB, 500MB, a number of bytes")
        long maxShardSize,
    @Key(
            allowed = "a repository of a hub (owner/name)",
            doc = "a hub's repository that what was written is sent to, with a model card")
        Optional<String> pushTo,
    @Key(doc = "whether it is private, if it is made for this; without it as its owner's settings")
        Optional<Boolean> hubPrivateRepo) {
  public MergeConfig {
    KeyTable.check(
        MergeConfig.class,
        modelId,
        adapter,
        base,
        output,
        format,
        dtype,
        maxShardSize,
        pushTo,
        hubPrivateRepo);
    if (format == MergeFormat.ADAPTER && adapter.isEmpty()) {
      throw new UserError("format is adapter, but no adapter is named; name it by the key adapter");
    }
  }

  /** The file that a merged model is written as. */
  public enum MergeFormat implements KeyTable.Choice {
    SAFETENSORS,
    /** The adapter as it is, a folder of PEFT's. */
    ADAPTER,
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
