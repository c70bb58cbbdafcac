package org.sparkfinetune.model.family;

import java.util.Map;

/**
 * What a model calls the modules of its decoder. Here they are called as in a model that is a
 * decoder and nothing else: {@code model.layers.0.self_attn.q_proj}, {@code lm_head}.
 */
public enum ModuleNames {
  DECODER,
  /**
   * In a model that reads images too, its modules begin with {@code model.language_model}; many
   * files call them {@code language_model.model} and {@code language_model.lm_head}.
   */
  LANGUAGE_MODEL;

  private static final Map<String, String> SPELLINGS =
      Map.of(
          "language_model.model.", "model.",
          "language_model.lm_head.", "lm_head.",
          "model.language_model.", "model.");

  /** As the module, or a parameter of it, is called in the model, and so by PEFT and new files. */
  public String inModel(String name) {
    return this == LANGUAGE_MODEL && name.startsWith("model.")
        ? "model.language_model." + name.substring("model.".length())
        : name;
  }

  /** As it is called here, whichever of the spellings the name has. */
  public String here(String name) {
    if (this == LANGUAGE_MODEL) {
      for (Map.Entry<String, String> spelling : SPELLINGS.entrySet()) {
        if (name.startsWith(spelling.getKey())) {
          return spelling.getValue() + name.substring(spelling.getKey().length());
        }
      }
    }
    return name;
  }
}
