package org.sparkfinetune.config;

import java.util.List;
import java.util.Optional;

/** The keys of {@code merge}. */
final class MergeKeys {
  static final Key<String> OUTPUT =
      Key.required("output", KeyTypes.path(), "folder (or, for GGUF, file) to write");
  static final Key<Long> MAX_SHARD_SIZE =
      Key.of(
          "max_shard_size",
          KeyTypes.bytes(),
          2_000_000_000L,
          "largest safetensors file: 2GB, 500MB, a number of bytes");
  static final Key<MergeFormat> FORMAT =
      Key.of(
          "format",
          KeyTypes.choice(MergeFormat.class),
          MergeFormat.SAFETENSORS,
          "a folder in Hugging Face layout, or one file for llama.cpp");
  static final Key<Optional<WeightType>> DTYPE =
      Key.optional(
          "dtype",
          KeyTypes.choice(WeightType.class),
          "type of all weights (safetensors); without it each weight's own");

  static final KeyTable TABLE =
      new KeyTable(
          "merge",
          List.of(
              DecodingKeys.MODEL_ID,
              DecodingKeys.ADAPTER,
              DecodingKeys.BASE,
              OUTPUT,
              FORMAT,
              DTYPE,
              MAX_SHARD_SIZE));

  private MergeKeys() {}

  static MergeConfig assemble(Values values) {
    return new MergeConfig(
        values.of(DecodingKeys.MODEL_ID),
        values.of(DecodingKeys.ADAPTER),
        values.of(DecodingKeys.BASE),
        values.of(OUTPUT),
        values.of(FORMAT),
        values.of(DTYPE),
        values.of(MAX_SHARD_SIZE));
  }
}
