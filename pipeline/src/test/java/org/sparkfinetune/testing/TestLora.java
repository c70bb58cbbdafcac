package org.sparkfinetune.testing;

import java.util.List;
import org.sparkfinetune.config.LoraConfig;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.model.peft.LoraTargets;

/** LoRA in a few words. */
public final class TestLora {
  private TestLora() {}

  /** All modules of one rank, and of one scale, alpha / r. */
  public static LoraTargets targets(
      DecoderConfig model, int r, double scale, List<String> targets) {
    AdapterConfig lora =
        AdapterConfig.of(new LoraConfig(r, scale * r, 0, targets, false, List.of()));
    return LoraTargets.asked(model, lora.modules(), lora.ranks());
  }
}
