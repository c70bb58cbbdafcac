package org.sparkfinetune.config;

import java.util.List;
import org.sparkfinetune.config.Key.Meaning;

/**
 * Low-rank adapters, y = W x + scaling B(A(dropout(x))), with PEFT's names (Hu et al. 2021,
 * equation 3).
 */
public record LoraConfig(
    @Key(name = "lora_r", otherwise = "16", doc = "rank of the adapters") int r,
    @Key(
            name = "lora_alpha",
            otherwise = "8",
            range = "(0,)",
            doc = "scaling is lora_alpha / lora_r")
        double alpha,
    @Key(
            name = "lora_dropout",
            otherwise = "0.05",
            range = "[0,1)",
            doc = "dropout before the adapters")
        double dropout,
    @Key(
            name = "lora_target_modules",
            otherwise = "all-linear",
            meaning = Meaning.WORDS,
            allowed = "all-linear, or names or patterns of linear layers",
            doc = "layers with an adapter")
        List<String> targetModules,
    @Key(otherwise = "false", doc = "scaling is lora_alpha / sqrt(lora_r)") boolean useRslora,
    @Key(
            otherwise = Key.EMPTY,
            meaning = Meaning.WORDS,
            allowed = "names of modules such as embed_tokens and lm_head",
            doc = "embed_tokens, lm_head: trained whole beside the adapters")
        List<String> modulesToSave) {
  public LoraConfig {
    KeyTable.check(LoraConfig.class, r, alpha, dropout, targetModules, useRslora, modulesToSave);
    targetModules = List.copyOf(targetModules);
    modulesToSave = List.copyOf(modulesToSave);
  }

  /** The factor before B(A(x)); with rank stabilisation by the root of r (Kalajdzievski 2023). */
  public double scaling() {
    return alpha / (useRslora ? Math.sqrt(r) : r);
  }
}
