package org.sparkfinetune.testing;

import java.util.List;
import java.util.Optional;
import org.sparkfinetune.config.LoraConfig;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.peft.LoraModules;
import org.sparkfinetune.model.peft.LoraRanks;
import org.sparkfinetune.model.peft.LoraTargets;

/** LoRA in a few words. */
public final class TestLora {
  private TestLora() {}

  /** The same with something beside A and B. */
  public static LoraTargets targets(
      DecoderConfig model, int r, double scale, AdapterConfig.Variant variant) {
    return targets(model, r, scale, variant, List.of());
  }

  /** And with trained embeddings of some tokens. */
  public static LoraTargets targets(
      DecoderConfig model,
      int r,
      double scale,
      AdapterConfig.Variant variant,
      List<Integer> tokens) {
    return LoraTargets.asked(
        model,
        new AdapterConfig(
            Optional.empty(),
            Optional.empty(),
            LoraModules.of(new LoraModules.AllLinear(), List.of()),
            LoraRanks.of(r, scale * r, false),
            0,
            AdapterConfig.Beginning.KAIMING,
            variant,
            tokens));
  }

  /** All modules of one rank, and of one scale, alpha / r. */
  public static LoraTargets targets(
      DecoderConfig model, int r, double scale, List<String> targets) {
    AdapterConfig lora =
        AdapterConfig.of(new LoraConfig(r, scale * r, 0, targets, false, List.of()));
    return LoraTargets.asked(model, lora);
  }
}
