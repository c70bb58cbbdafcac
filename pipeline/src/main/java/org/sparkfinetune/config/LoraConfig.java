package org.sparkfinetune.config;

import java.util.List;

/**
 * Low-rank adapters, y = W x + scaling B(A(dropout(x))), with PEFT's names (Hu et al. 2021,
 * equation 3).
 *
 * @param r rank of A and B
 * @param targetModules {@code all-linear}, or names or patterns of linear layers
 * @param useRslora scale by the root of r (Kalajdzievski 2023)
 * @param modulesToSave modules trained whole
 */
public record LoraConfig(
    int r,
    double alpha,
    double dropout,
    List<String> targetModules,
    boolean useRslora,
    List<String> modulesToSave) {
  public LoraConfig {
    TrainKeys.LORA_R.check(r);
    TrainKeys.LORA_ALPHA.check(alpha);
    TrainKeys.LORA_DROPOUT.check(dropout);
    targetModules = List.copyOf(TrainKeys.LORA_TARGET_MODULES.check(targetModules));
    modulesToSave = List.copyOf(TrainKeys.MODULES_TO_SAVE.check(modulesToSave));
  }

  /** The factor before B(A(x)). */
  public double scaling() {
    return alpha / (useRslora ? Math.sqrt(r) : r);
  }
}
