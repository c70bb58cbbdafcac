package org.sparkfinetune.spark.check;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.spark.check.CheckReport.CheckLine;

/**
 * Whether vLLM will load the adapter as it is, and compute the same. Its {@code PEFTHelper} refuses
 * modules_to_save, DoRA, biases and ranks above {@code max_lora_rank}, which is one of a few
 * numbers ({@code LoRAConfig}); it scales all modules by {@code lora_alpha} and {@code r} and knows
 * no patterns.
 */
final class ServingCheck {
  /** Those of {@code MaxLoRARanks}, but for 1, which came later. */
  private static final int[] MAX_LORA_RANKS = {8, 16, 32, 64, 128, 256, 320, 512};

  /** vLLM's default. */
  private static final int DEFAULT_RANK = 16;

  private final AdapterConfig lora;

  ServingCheck(AdapterConfig lora) {
    this.lora = lora.written();
  }

  CheckLine line() {
    List<String> against = against();
    if (against.isEmpty()) {
      return CheckLine.passed("adapter", "vLLM will load it as it is, with " + arguments());
    }
    return CheckLine.warned(
        "adapter",
        "vLLM cannot use it as it is: " + String.join("; ", against),
        "Serve the model that merge writes, or leave those settings out.");
  }

  private List<String> against() {
    List<String> against = new ArrayList<>();
    if (!lora.modulesToSave().isEmpty()) {
      against.add("modules_to_save is %s, and it allows none".formatted(lora.modulesToSave()));
    }
    if (!lora.tokens().isEmpty()) {
      against.add("trainable_token_indices is there, and it has no place for token embeddings");
    }
    switch (lora.variant()) {
      case PLAIN -> {}
      case BIAS -> against.add("lora_bias is true, and it has no place for biases");
      case DORA -> against.add("use_dora is true, and it computes no DoRA");
    }
    int rank = lora.ranks().largest();
    if (maxLoraRank(rank) < rank) {
      against.add("a rank is %s, and --max-lora-rank is 512 at most".formatted(rank));
    }
    if (!lora.ranks().rankPattern().isEmpty() || !lora.ranks().alphaPattern().isEmpty()) {
      against.add("it loads but passes over rank_pattern and alpha_pattern, and scales wrongly");
    }
    return against;
  }

  private String arguments() {
    int rank = maxLoraRank(lora.ranks().largest());
    return rank <= DEFAULT_RANK ? "--enable-lora" : "--enable-lora --max-lora-rank " + rank;
  }

  /** The smallest that holds the rank, or the largest there is. */
  private static int maxLoraRank(int rank) {
    return IntStream.of(MAX_LORA_RANKS).filter(allowed -> allowed >= rank).findFirst().orElse(512);
  }
}
