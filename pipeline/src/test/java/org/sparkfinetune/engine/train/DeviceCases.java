package org.sparkfinetune.engine.train;

import java.nio.file.Path;
import org.junit.jupiter.params.aggregator.ArgumentsAccessor;
import org.sparkfinetune.engine.tensor.ComputeDevice;

/**
 * Runs beside golden files that every device has to pass: all methods, and what makes them differ.
 */
final class DeviceCases {
  /** Golden file, model, method, bf16, ranks, tolerances of loss and norm. */
  static final String CASES =
      """
      qlora-float32,               model,     qlora, false, 1, 1e-4, 1e-3
      qlora-float32,               model,     qlora, false, 2, 1e-4, 1e-3
      qlora-bfloat16,              model,     qlora, true,  2, 5e-3, 5e-2
      biased-nf4,                  biased-nf4, qlora, false, 2, 1e-4, 1e-3
      tied-nf4,                    tied-nf4,  qlora, false, 2, 1e-4, 1e-3
      biased-lora,                 biased,    lora,  false, 1, 1e-4, 1e-3
      qwen2-lora,                  qwen2,     lora,  false, 2, 1e-4, 1e-3
      rslora-pattern,              model,     lora,  false, 2, 1e-4, 1e-3
      biased-embed_tokens-lm_head, biased,    lora,  false, 2, 1e-4, 1e-3
      biased-full,                 biased,    full,  false, 1, 1e-4, 1e-3
      tied-full,                   tied,      full,  false, 2, 1e-4, 1e-3
      """;

  private DeviceCases() {}

  static void compare(ArgumentsAccessor row, ComputeDevice device, Path scratch) throws Exception {
    String name = row.getString(0);
    String method = row.getString(2);
    Variant variant =
        new Variant(name, scratch)
            .on(device)
            .model(row.getString(1))
            .with("method", method)
            .with("bf16", row.getBoolean(3));
    if (!method.equals("full")) {
      variant.adapter(start(name, scratch));
    }
    variant.compareSteps(row.getInteger(4), row.getDouble(5), row.getDouble(6));
    if (!row.getBoolean(3)) {
      variant.compareWeights(method.equals("full") ? 1e-4 : 1e-3);
    }
  }

  private static Path start(String name, Path scratch) throws Exception {
    return name.startsWith("qlora")
        ? Variant.startOfTrajectories(scratch)
        : Variant.VARIANTS.resolve(name.replace("nf4", "lora") + ".start");
  }
}
