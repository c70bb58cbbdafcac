package org.sparkfinetune.model.family;

import java.util.Locale;
import java.util.OptionalInt;
import java.util.Set;

/**
 * The families that can be read, by their {@code model_type}: what their classes in transformers
 * have where a file says nothing, and which keys only they know.
 */
enum Family {
  LLAMA(new Usual(10_000, false, OptionalInt.empty(), 0, 0, 1e-6)),
  MISTRAL(new Usual(10_000, false, OptionalInt.empty(), 8, 0, 1e-6), "sliding_window"),
  MINISTRAL(new Usual(10_000, false, OptionalInt.empty(), 8, 0, 1e-6), "sliding_window"),
  MINISTRAL3(new Usual(1_000_000, false, OptionalInt.of(11), 8, 128, 1e-5), "sliding_window"),
  QWEN2(
      new Usual(10_000, false, OptionalInt.empty(), 32, 0, 1e-6),
      "sliding_window",
      "use_sliding_window",
      "max_window_layers"),
  QWEN3(
      new Usual(10_000, false, OptionalInt.empty(), 32, 128, 1e-6),
      "sliding_window",
      "use_sliding_window",
      "max_window_layers"),
  QWEN3_MOE(
      new Usual(10_000, false, OptionalInt.empty(), 4, 0, 1e-6),
      "sliding_window",
      "use_sliding_window",
      "max_window_layers",
      "num_experts",
      "num_local_experts",
      "num_experts_per_tok",
      "moe_intermediate_size",
      "norm_topk_prob",
      "decoder_sparse_step",
      "mlp_only_layers",
      "router_aux_loss_coef",
      "output_router_logits"),
  SMOLLM3(
      new Usual(2_000_000, true, OptionalInt.of(128_004), 4, 0, 1e-6),
      "no_rope_layers",
      "sliding_window",
      "use_sliding_window"),
  GRANITE(
      new Usual(10_000, false, OptionalInt.empty(), 0, 0, 1e-6),
      "embedding_multiplier",
      "residual_multiplier",
      "attention_multiplier",
      "logits_scaling"),
  OLMO2(new Usual(10_000, false, OptionalInt.of(1), 0, 0, 1e-5)),
  OLMO3(new Usual(500_000, false, OptionalInt.of(1), 0, 0, 1e-5), "sliding_window"),
  PHI3(
      new Usual(10_000, false, OptionalInt.of(32_000), 0, 0, 1e-5),
      "sliding_window",
      "original_max_position_embeddings"),
  GEMMA2(
      new Usual(10_000, true, OptionalInt.of(0), 4, 256, 1e-6),
      "sliding_window",
      "query_pre_attn_scalar",
      "attn_logit_softcapping",
      "final_logit_softcapping"),
  GEMMA3_TEXT(
      new Usual(1_000_000, true, OptionalInt.of(0), 4, 256, 1e-6),
      "sliding_window",
      "sliding_window_pattern",
      "_sliding_window_pattern",
      "rope_local_base_freq",
      "query_pre_attn_scalar",
      "attn_logit_softcapping",
      "final_logit_softcapping");

  private final Usual usual;
  private final Set<String> keys;

  Family(Usual usual, String... keys) {
    this.usual = usual;
    this.keys = Set.of(keys);
  }

  /**
   * What a family's class has.
   *
   * @param keyValueHeads 0 for one to each query head
   * @param headDim 0 for hidden_size / num_attention_heads
   */
  record Usual(
      double theta,
      boolean tied,
      OptionalInt padding,
      int keyValueHeads,
      int headDim,
      double rmsNormEps) {}

  Usual usual() {
    return usual;
  }

  /** Keys that this family alone has. */
  Set<String> keys() {
    return keys;
  }

  String modelType() {
    return name().toLowerCase(Locale.ROOT);
  }

  boolean isGemma() {
    return this == GEMMA2 || this == GEMMA3_TEXT;
  }
}
