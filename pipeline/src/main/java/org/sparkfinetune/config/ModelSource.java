package org.sparkfinetune.config;

import java.util.Optional;

/**
 * Where the model comes from.
 *
 * @param modelId folder, Hadoop URI or hub id, as results name it
 * @param revision branch, tag or commit of a hub model
 * @param tokenizer folder, URI or hub id of another tokenizer than the model's
 * @param adapter folder or hub id of an existing PEFT adapter to start from
 * @param folder what is read: for a hub id, once it was downloaded, its folder in the cache
 */
public record ModelSource(
    String modelId,
    String revision,
    Optional<String> tokenizer,
    Optional<String> adapter,
    String folder) {
  public ModelSource {
    TrainKeys.MODEL_ID.check(modelId);
    TrainKeys.REVISION.check(revision);
    TrainKeys.TOKENIZER.check(tokenizer);
    TrainKeys.ADAPTER.check(adapter);
  }

  /** Where the model is read from what names it. */
  public ModelSource(
      String modelId, String revision, Optional<String> tokenizer, Optional<String> adapter) {
    this(modelId, revision, tokenizer, adapter, modelId);
  }
}
