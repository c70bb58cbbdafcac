package org.sparkfinetune.config;

import java.util.List;
import org.sparkfinetune.config.Key.Meaning;
import org.sparkfinetune.config.LoraOptions.InitLoraWeights;
import org.sparkfinetune.errors.UserError;

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
            meaning = Meaning.MODULES,
            allowed =
                "all-linear, names of linear layers, or one regular expression over whole names",
            doc = "layers with an adapter")
        List<String> targetModules,
    @Key(otherwise = "false", doc = "scaling is lora_alpha / sqrt(lora_r)") boolean useRslora,
    @Key(
            alias = "lora_modules_to_save",
            otherwise = Key.EMPTY,
            meaning = Meaning.WORDS,
            allowed = "names of modules such as embed_tokens and lm_head",
            doc = "embed_tokens, lm_head: trained whole beside the adapters")
        List<String> modulesToSave,
    LoraOptions options) {
  public LoraConfig {
    KeyTable.check(LoraConfig.class, r, alpha, dropout, targetModules, useRslora, modulesToSave);
    targetModules = List.copyOf(targetModules);
    modulesToSave = List.copyOf(modulesToSave);
    List<String> targets = targetModules;
    Problems problems = new Problems();
    problems.addFrom(() -> requireOneExpression("lora_target_modules", targets));
    problems.addIf(
        options.initLoraWeights().how().ofBase()
            && useRslora
            && !(options.ranks().isEmpty() && options.alphas().isEmpty()),
        () ->
            "init_lora_weights: %s with use_rslora cannot be written over the untouched model where rank_pattern or alpha_pattern is there, as in PEFT; leave one of them out"
                .formatted(options.initLoraWeights().text()));
    if (options.initLoraWeights().how() == InitLoraWeights.ORTHOGONAL) {
      problems.addFrom(() -> requireEven(r));
      options.ranks().values().forEach(rank -> problems.addFrom(() -> requireEven(rank)));
    }
    problems.refuse();
  }

  /** With PEFT's defaults for everything else. */
  public LoraConfig(
      int r,
      double alpha,
      double dropout,
      List<String> targetModules,
      boolean useRslora,
      List<String> modulesToSave) {
    this(r, alpha, dropout, targetModules, useRslora, modulesToSave, LoraOptions.NONE);
  }

  private static void requireEven(int rank) {
    if (rank % 2 != 0) {
      throw new UserError(
          "init_lora_weights: orthogonal needs even ranks (as in PEFT), but one is %s"
              .formatted(rank));
    }
  }

  /** Whether a text is none of the names that modules have. */
  public static boolean isExpression(String module) {
    return !module.matches("[-A-Za-z0-9_.]+");
  }

  /** PEFT takes the entries of a list for names, always. */
  static void requireOneExpression(String key, List<String> entries) {
    if (entries.size() > 1) {
      for (String entry : entries) {
        if (isExpression(entry) || entry.equals("all-linear")) {
          throw new UserError(
              "%s: in a list each entry is a name, as in PEFT, and %s is none; write one regular expression alone (first|second)"
                  .formatted(key, entry));
        }
      }
    }
  }
}
