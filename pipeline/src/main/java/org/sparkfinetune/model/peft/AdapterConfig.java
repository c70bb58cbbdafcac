package org.sparkfinetune.model.peft;

import java.util.List;
import java.util.Optional;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.peft.LoraTargets.TargetModules;

/**
 * What of {@code adapter_config.json} we compute with.
 *
 * @param baseModel {@code base_model_name_or_path}
 * @param r LoRA's rank
 * @param alpha {@code lora_alpha}
 * @param dropout {@code lora_dropout}, in training only
 * @param useRslora scale by the square root of {@code r}
 * @param modulesToSave modules that are trained whole and saved beside the adapter
 */
public record AdapterConfig(
    Optional<String> baseModel,
    Optional<String> revision,
    int r,
    double alpha,
    double dropout,
    TargetModules targetModules,
    boolean useRslora,
    List<String> modulesToSave) {

  public AdapterConfig {
    modulesToSave = List.copyOf(modulesToSave);
    check(r > 0, "r", r, "1 or more");
    check(alpha > 0 && Double.isFinite(alpha), "lora_alpha", alpha, "a number above 0");
    check(dropout >= 0 && dropout < 1, "lora_dropout", dropout, "0 or more and below 1");
  }

  private static void check(boolean right, String key, Object value, String allowed) {
    if (!right) {
      throw new UserError("%s is %s, expected %s.".formatted(key, value, allowed));
    }
  }

  /** What B(A(x)) is multiplied by (rsLoRA: Kalajdzievski 2023). */
  public double scaling() {
    return useRslora ? alpha / Math.sqrt(r) : alpha / r;
  }
}
