package org.sparkfinetune.config;

import java.util.Optional;

/**
 * Where the model comes from.
 *
 * @param modelId folder, Hadoop URI or hub id
 * @param revision branch, tag or commit of a hub model
 * @param tokenizer folder, URI or hub id of another tokenizer than the model's
 * @param adapter folder of an existing PEFT adapter to start from
 */
public record ModelSource(
    String modelId, String revision, Optional<String> tokenizer, Optional<String> adapter) {
  public ModelSource {
    TrainKeys.MODEL_ID.check(modelId);
    TrainKeys.REVISION.check(revision);
    TrainKeys.TOKENIZER.check(tokenizer);
    TrainKeys.ADAPTER.check(adapter);
  }
}
