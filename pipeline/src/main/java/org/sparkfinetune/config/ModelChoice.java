package org.sparkfinetune.config;

import java.util.Optional;

/**
 * A model that was trained, or is to be looked at before.
 *
 * @param modelId a folder, Hadoop URI or hub id
 * @param adapter a PEFT adapter: folder, URI or hub id
 * @param base what the linears of the base model are taken as; without it what the adapter's run
 *     folder says
 */
public record ModelChoice(
    String modelId,
    Optional<String> adapter,
    Optional<MergeBase> base,
    Optional<String> tokenizer,
    Optional<String> chatTemplate) {
  public ModelChoice {
    DecodingKeys.MODEL_ID.check(modelId);
    DecodingKeys.ADAPTER.check(adapter);
    DecodingKeys.TOKENIZER.check(tokenizer);
    DecodingKeys.CHAT_TEMPLATE.check(chatTemplate);
  }

  /** The same in other places: what is on a hub as the folder it was downloaded to. */
  public ModelChoice at(
      String modelFolder, Optional<String> adapterFolder, Optional<String> tokenizerFolder) {
    return new ModelChoice(modelFolder, adapterFolder, base, tokenizerFolder, chatTemplate);
  }

  /** The same base without its adapter. */
  public ModelChoice withoutAdapter() {
    return new ModelChoice(modelId, Optional.empty(), base, tokenizer, chatTemplate);
  }

  /** The same with what was found out about it. */
  public ModelChoice with(Optional<MergeBase> newBase, Optional<String> newTemplate) {
    return new ModelChoice(modelId, adapter, newBase, tokenizer, newTemplate);
  }
}
