package org.sparkfinetune.config;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Optional;
import org.sparkfinetune.config.Key.Meaning;

/** A model that was trained, or is to be looked at before. */
public record ModelChoice(
    @Key(alias = "model_name_or_path", meaning = Meaning.MODEL, doc = MODEL) String modelId,
    @Key(meaning = Meaning.MODEL, doc = ADAPTER) Optional<String> adapter,
    @Key(doc = BASE) Optional<MergeBase> base,
    @Key(meaning = Meaning.MODEL, doc = "another tokenizer than the model's")
        Optional<String> tokenizer,
    @Key(
            meaning = Meaning.CHAT_TEMPLATE,
            doc =
                "reference, llama3, chatml, tokenizer, a file, or Jinja itself; without it that of"
                    + " the adapter's run folder, else the tokenizer's, else reference")
        Optional<String> chatTemplate) {

  static final String MODEL = "base model: folder, Hadoop URI or hub id";
  static final String ADAPTER = "PEFT adapter, ours or PEFT's own";
  static final String BASE =
      "the base's linears: 16bit as stored, or dequantized from NF4; without it what the adapter"
          + " was trained on, if its run folder says so, else 16bit";

  public ModelChoice {
    KeyTable.check(ModelChoice.class, modelId, adapter, base, tokenizer, chatTemplate);
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

  /** The weights that an adapter is applied to. */
  public enum MergeBase implements KeyTable.Choice {
    /** As they are in the checkpoint. */
    @JsonProperty("16bit")
    SIXTEEN_BIT,
    /** After a round trip through NF4: what QLoRA trained over. */
    DEQUANTIZED
  }
}
