package org.sparkfinetune.model.peft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderConfigReader;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.Experts;
import org.sparkfinetune.testing.TestLora;

/** A mixture of experts as its config.json describes it, and what may be trained of it. */
class MixtureOfExpertsTest {
  /** Qwen3-30B-A3B's of the hub. */
  private static final String QWEN_3_30B =
      """
      {"architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
       "bos_token_id": 151643, "decoder_sparse_step": 1, "eos_token_id": 151645, "head_dim": 128,
       "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
       "intermediate_size": 6144, "max_position_embeddings": 40960, "max_window_layers": 48,
       "mlp_only_layers": [], "model_type": "qwen3_moe", "moe_intermediate_size": 768,
       "norm_topk_prob": true, "num_attention_heads": 32, "num_experts": 128,
       "num_experts_per_tok": 8, "num_hidden_layers": 48, "num_key_value_heads": 4,
       "output_router_logits": false, "rms_norm_eps": 1e-06, "rope_scaling": null,
       "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001, "sliding_window": null,
       "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.51.0",
       "use_cache": true, "use_sliding_window": false, "vocab_size": 151936}\
      """;

  private static final DecoderConfig MODEL = read(QWEN_3_30B);

  private static DecoderConfig read(String json) {
    return DecoderConfigReader.read(json, "config.json");
  }

  @Test
  void every_layer_of_qwen3_30b_has_128_experts() {
    assertThat(MODEL.experts())
        .isEqualTo(
            new Experts(
                128,
                8,
                768,
                Experts.Weighting.SHARE,
                IntStream.range(0, 48).boxed().collect(Collectors.toSet())));
    assertThat(MODEL.parameters()).isEqualTo(30_532_122_624L);
    assertThat(DecoderWeights.layer(MODEL, 47)).hasSize(8 + 1 + 3 * 128);
  }

  @Test
  void layers_without_experts_are_those_between_steps_and_those_that_are_listed() {
    String json =
        QWEN_3_30B
            .replace("\"decoder_sparse_step\": 1", "\"decoder_sparse_step\": 2")
            .replace("\"num_hidden_layers\": 48", "\"num_hidden_layers\": 6")
            .replace("\"mlp_only_layers\": []", "\"mlp_only_layers\": [0, 3]");
    assertThat(read(json).experts().layers()).isEqualTo(Set.of(1, 5));
  }

  @Test
  void a_token_has_no_more_experts_than_there_are() {
    assertThatThrownBy(() -> read(QWEN_3_30B.replace("_per_tok\": 8", "_per_tok\": 129")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("num_experts_per_tok has to be no more than num_experts = 128");
  }

  @Test
  void all_linear_is_attention() {
    assertThat(TestLora.targets(MODEL, 8, 1, List.of("all-linear")).all())
        .hasSize(4 * 48)
        .contains("model.layers.47.self_attn.o_proj")
        .allMatch(name -> name.contains("self_attn"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "gate_proj",
        "gate",
        "mlp.gate",
        "experts",
        "experts.gate_up_proj",
        "mlp.experts.0.down_proj",
        ".*_proj",
        ".*\\.(q|k|v|o|up)_proj"
      })
  void experts_and_routers_are_no_targets(String target) {
    assertThatThrownBy(() -> TestLora.targets(MODEL, 8, 1, List.of(target)))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith("lora_target_modules: \"" + target + "\" matches model.layers.")
        .hasMessageContaining("adapters on attention")
        .hasMessageContaining("[q_proj, k_proj, v_proj, o_proj]");
  }

  private static TrainConfig config(String... more) {
    List<String> words =
        new java.util.ArrayList<>(
            List.of("--model_id", "m", "--dataset_path", "d", "--output_dir", "o"));
    words.addAll(List.of(more));
    return new ConfigLoader(new Configuration(false)).train(Optional.empty(), words).config();
  }

  @Test
  void not_all_weights_are_trained() {
    assertThatThrownBy(() -> ExpertSettings.check(config("--method", "full"), MODEL))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith("method is full, but the model (qwen3_moe) is a mixture of experts")
        .hasMessageEndingWith("Use method qlora or lora: adapters on attention.");
  }

  @Test
  void only_experts_are_balanced() {
    TrainConfig balanced = config("--router_aux_loss_coef", "0.001");
    ExpertSettings.check(balanced, MODEL);
    DecoderConfig dense =
        read(QWEN_3_30B.replace("\"mlp_only_layers\": []", "\"decoder_sparse_step\": 49"));
    assertThat(dense.experts().exist()).isFalse();
    assertThatThrownBy(() -> ExpertSettings.check(balanced, dense))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith("router_aux_loss_coef is 0.001, but the model (qwen3_moe) has no");
  }
}
