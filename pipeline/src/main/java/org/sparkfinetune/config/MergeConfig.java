package org.sparkfinetune.config;

import java.util.Optional;

/**
 * Everything that {@code merge} was asked for.
 *
 * @param base without it what the adapter was trained on, if its run folder says so
 * @param maxShardSize bytes
 */
public record MergeConfig(
    String modelId,
    Optional<String> adapter,
    Optional<MergeBase> base,
    String output,
    MergeFormat format,
    Optional<WeightType> dtype,
    long maxShardSize) {
  public MergeConfig {
    DecodingKeys.MODEL_ID.check(modelId);
    DecodingKeys.ADAPTER.check(adapter);
    MergeKeys.OUTPUT.check(output);
    MergeKeys.MAX_SHARD_SIZE.check(maxShardSize);
  }
}
