package org.sparkfinetune.model.family;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Collections;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.LayerAttention.Rope;

/** Which models are taken, and that none is taken for another. */
class DecoderConfigReaderTest {
  private static final String LLAMA_1 =
      """
      {"architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
       "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 11008,
       "max_position_embeddings": 2048, "max_sequence_length": 2048, "model_type": "llama",
       "num_attention_heads": 32, "num_hidden_layers": 32, "pad_token_id": 0, "rms_norm_eps": 1e-06,
       "tie_word_embeddings": false, "torch_dtype": "float16", "transformers_version": "4.28.0.dev0",
       "use_cache": true, "vocab_size": 32000}\
      """;

  private static final String LLAMA_2_70B =
      """
      {"_name_or_path": "meta-llama/Llama-2-70b-hf", "architectures": ["LlamaForCausalLM"],
       "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 8192,
       "initializer_range": 0.02, "intermediate_size": 28672, "max_position_embeddings": 4096,
       "model_type": "llama", "num_attention_heads": 64, "num_hidden_layers": 80,
       "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null,
       "tie_word_embeddings": false, "torch_dtype": "float16", "transformers_version": "4.32.0.dev0",
       "use_cache": true, "vocab_size": 32000}\
      """;

  private static final String LLAMA_3_3_70B =
      """
      {"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
       "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009], "head_dim": 128,
       "hidden_act": "silu", "hidden_size": 8192, "initializer_range": 0.02,
       "intermediate_size": 28672, "max_position_embeddings": 131072, "mlp_bias": false,
       "model_type": "llama", "num_attention_heads": 64, "num_hidden_layers": 80,
       "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
       "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
         "original_max_position_embeddings": 8192, "rope_type": "llama3"},
       "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
       "transformers_version": "4.47.0.dev0", "use_cache": true, "vocab_size": 128256}\
      """;

  private static final String LLAMA_3_2_1B =
      """
      {"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
       "bos_token_id": 128000, "dtype": "bfloat16", "eos_token_id": 128001, "head_dim": 64,
       "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
       "intermediate_size": 8192, "max_position_embeddings": 131072, "mlp_bias": false,
       "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 16,
       "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
       "rope_parameters": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
         "original_max_position_embeddings": 8192, "rope_theta": 500000.0, "rope_type": "llama3"},
       "tie_word_embeddings": true, "transformers_version": "5.0.0", "use_cache": true,
       "vocab_size": 128256}\
      """;

  private static final String SMOLLM2_135M =
      """
      {"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
       "bos_token_id": 0, "eos_token_id": 0, "hidden_act": "silu", "hidden_size": 576,
       "initializer_range": 0.041666666666666664, "intermediate_size": 1536,
       "is_llama_config": true, "max_position_embeddings": 8192, "mlp_bias": false,
       "model_type": "llama", "num_attention_heads": 9, "num_hidden_layers": 30,
       "num_key_value_heads": 3, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
       "rope_interleaved": false, "rope_scaling": null, "rope_theta": 100000,
       "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers_version": "4.40.1",
       "use_cache": true, "vocab_size": 49152}\
      """;

  private static final String TINY_LLAMA =
      """
      {"architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
       "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
       "intermediate_size": 5632, "max_position_embeddings": 2048, "model_type": "llama",
       "num_attention_heads": 32, "num_hidden_layers": 22, "num_key_value_heads": 4,
       "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null,
       "tie_word_embeddings": false, "torch_dtype": "float32", "transformers_version": "4.31.0.dev0",
       "use_cache": true, "vocab_size": 32000}\
      """;

  private static final String MISTRAL_3 =
      """
      {"architectures": ["MistralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1,
       "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
       "intermediate_size": 14336, "max_position_embeddings": 32768, "model_type": "mistral",
       "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
       "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "sliding_window": null,
       "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.42.0.dev0",
       "use_cache": true, "vocab_size": 32768}\
      """;

  private static final String QWEN_2 =
      """
      {"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
       "eos_token_id": 151645, "hidden_act": "silu", "hidden_size": 896, "initializer_range": 0.02,
       "intermediate_size": 4864, "max_position_embeddings": 32768, "max_window_layers": 21,
       "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24,
       "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
       "sliding_window": 32768, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
       "transformers_version": "4.43.1", "use_cache": true, "use_sliding_window": false,
       "vocab_size": 151936}\
      """;

  private static final String QWEN_3_4B =
      """
      {"architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
       "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
       "hidden_size": 2560, "initializer_range": 0.02, "intermediate_size": 9728,
       "max_position_embeddings": 40960, "max_window_layers": 36, "model_type": "qwen3",
       "num_attention_heads": 32, "num_hidden_layers": 36, "num_key_value_heads": 8,
       "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
       "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers_version": "4.51.0",
       "use_cache": true, "use_sliding_window": false, "vocab_size": 151936}\
      """;

  private static final String GEMMA_3_1B =
      """
      {"architectures": ["Gemma3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
       "attn_logit_softcapping": null, "bos_token_id": 2, "cache_implementation": "hybrid",
       "eos_token_id": [1, 106], "final_logit_softcapping": null, "head_dim": 256,
       "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1152, "initializer_range": 0.02,
       "intermediate_size": 6912, "max_position_embeddings": 32768, "model_type": "gemma3_text",
       "num_attention_heads": 4, "num_hidden_layers": 26, "num_key_value_heads": 1,
       "pad_token_id": 0, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06,
       "rope_local_base_freq": 10000, "rope_scaling": null, "rope_theta": 1000000,
       "sliding_window": 512, "sliding_window_pattern": 6, "torch_dtype": "bfloat16",
       "transformers_version": "4.50.0.dev0", "use_cache": true, "vocab_size": 262144}\
      """;

  private static final String PHI_4_MINI =
      """
      {"architectures": ["Phi3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
       "bos_token_id": 199999, "embd_pdrop": 0.0, "eos_token_id": 199999, "hidden_act": "silu",
       "hidden_size": 3072, "initializer_range": 0.02, "intermediate_size": 8192,
       "lm_head_bias": false, "max_position_embeddings": 131072, "mlp_bias": false,
       "model_type": "phi3", "num_attention_heads": 24, "num_hidden_layers": 32,
       "num_key_value_heads": 8, "original_max_position_embeddings": 4096, "pad_token_id": 199999,
       "partial_rotary_factor": 0.75, "resid_pdrop": 0.0, "rms_norm_eps": 1e-05,
       "rope_scaling": {"type": "longrope", "long_factor": FACTORS, "short_factor": FACTORS},
       "rope_theta": 10000.0, "sliding_window": 262144, "tie_word_embeddings": true,
       "torch_dtype": "bfloat16", "transformers_version": "4.45.0", "use_cache": true,
       "vocab_size": 200064}\
      """
          .replace("FACTORS", Collections.nCopies(48, 1.5).toString());

  private static Rope rope(DecoderConfig config) {
    return config.layers().get(0).rope().orElseThrow();
  }

  private static DecoderConfig read(String json) {
    return DecoderConfigReader.read(json, "config.json");
  }

  @Test
  void llama_1_has_a_key_value_head_for_each_query_head() {
    DecoderConfig config = read(LLAMA_1);
    assertThat(config.numKeyValueHeads()).isEqualTo(32);
    assertThat(config.headDim()).isEqualTo(128);
    assertThat(rope(config).theta()).isEqualTo(10_000);
    assertThat(config.parameters()).isEqualTo(6_738_415_616L);
  }

  @Test
  void llama_2_and_3_3_have_the_parameters_they_are_known_for() {
    assertThat(read(LLAMA_2_70B).parameters()).isEqualTo(68_976_648_192L);
    assertThat(rope(read(LLAMA_2_70B)).scaling()).isEqualTo(new RopeScaling.None());
    assertThat(read(LLAMA_3_3_70B).parameters()).isEqualTo(70_553_706_496L);
    assertThat(rope(read(LLAMA_3_3_70B)).scaling())
        .isEqualTo(new RopeScaling.Llama3(8, 1, 4, 8192));
  }

  @Test
  void llama_3_2_ties_its_embeddings_and_new_transformers_keep_theta_with_the_scaling() {
    DecoderConfig config = read(LLAMA_3_2_1B);
    assertThat(config.parameters()).isEqualTo(1_235_814_400L);
    assertThat(config.tieWordEmbeddings()).isTrue();
    assertThat(rope(config).theta()).isEqualTo(500_000);
    assertThat(rope(config).scaling()).isEqualTo(new RopeScaling.Llama3(32, 1, 4, 8192));
  }

  @Test
  void positions_are_counted_before_a_linear_scaling_and_after_llama_3s() throws Exception {
    assertThat(read(LLAMA_3_3_70B).positions()).hasValue(131_072);
    assertThat(read(TINY_LLAMA).positions()).hasValue(2048);
    assertThat(read(with("rope_scaling", "{\"type\": \"linear\", \"factor\": 4.0}")).positions())
        .hasValue(4 * 2048);
    DecoderConfig silent = read(with("max_position_embeddings", "null"));
    assertThat(silent.positions()).isEmpty();
    assertThat(silent.contextLength()).isEqualTo(2048);
  }

  @Test
  void smollm2_tinyllama_and_mistral_differ_in_configuration_only() {
    assertThat(read(SMOLLM2_135M).parameters()).isEqualTo(134_515_008L);
    assertThat(read(TINY_LLAMA).parameters()).isEqualTo(1_100_048_384L);
    assertThat(read(MISTRAL_3).parameters()).isEqualTo(7_248_023_552L);
  }

  @Test
  void newer_families_have_the_parameters_they_are_known_for() {
    assertThat(read(QWEN_3_4B).parameters()).isEqualTo(4_022_468_096L);
    assertThat(read(GEMMA_3_1B).parameters()).isEqualTo(999_885_952L);
    assertThat(read(PHI_4_MINI).parameters()).isEqualTo(3_836_021_760L);
  }

  @Test
  void gemma_3_has_a_window_and_another_theta_in_five_layers_of_six() {
    DecoderConfig config = read(GEMMA_3_1B);
    assertThat(config.layers().stream().map(LayerAttention::window))
        .startsWith(512, 512, 512, 512, 512, 0, 512);
    assertThat(rope(config).theta()).isEqualTo(10_000);
    assertThat(config.layers().get(5).rope().orElseThrow().theta()).isEqualTo(1_000_000);
    assertThat(config.tieWordEmbeddings()).isTrue();
  }

  /** As transformers 4 saved it: what its classes have anyway is left out. */
  private static final String GEMMA_3_4B =
      """
      {"architectures": ["Gemma3ForConditionalGeneration"], "boi_token_index": 255999,
       "eoi_token_index": 256000, "eos_token_id": [1, 106], "image_token_index": 262144,
       "initializer_range": 0.02, "mm_tokens_per_image": 256, "model_type": "gemma3",
       "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
         "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
         "sliding_window": 1024},
       "torch_dtype": "bfloat16", "transformers_version": "4.50.0.dev0",
       "vision_config": {"hidden_size": 1152, "model_type": "siglip_vision_model"}}\
      """;

  @Test
  void the_text_part_of_a_model_for_images_is_read_with_what_its_class_has() throws Exception {
    DecoderConfig config = read(GEMMA_3_4B);
    assertThat(config.parameters()).isEqualTo(3_880_263_168L);
    assertThat(config.modelType()).isEqualTo("gemma3_text");
    assertThat(config.names()).isEqualTo(ModuleNames.LANGUAGE_MODEL);
    assertThat(config.tieWordEmbeddings()).isTrue();
    assertThat(config.padding()).hasValue(0);
    assertThat(config.layers().get(5).rope().orElseThrow().scaling())
        .isEqualTo(new RopeScaling.Linear(8));
    assertThat(read(with("tie_word_embeddings", "false", GEMMA_3_4B)).tieWordEmbeddings())
        .isFalse();
    assertThatThrownBy(() -> read(with("text_config", "{\"model_type\": \"gemma\"}", GEMMA_3_4B)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("text_config: model_type is \"gemma\"");
    assertThatThrownBy(() -> read(with("logit_scale", "2", GEMMA_3_4B)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("\"logit_scale\" (value 2) is not known here for gemma3");
  }

  @Test
  void three_quarters_of_a_phi_4_minis_head_turn() {
    assertThat(rope(read(PHI_4_MINI)).dimensions()).isEqualTo(96);
    assertThat(rope(read(PHI_4_MINI)).scaling().attentionFactor())
        .isCloseTo(1.190238, within(1e-6));
  }

  @Test
  void padding_is_pythons_index_and_only_a_token_of_the_vocabulary() throws Exception {
    assertThat(read(LLAMA_1).padding()).hasValue(0);
    assertThat(read(LLAMA_3_3_70B).padding()).isEmpty();
    assertThat(read(with("pad_token_id", "-1")).padding()).hasValue(31_999);
    assertThat(read(with("pad_token_id", "32000")).padding()).isEmpty();
    assertThat(read(with("pad_token_id", "null")).padding()).isEmpty();
  }

  @Test
  void qwen2_has_biases_on_q_k_and_v_alone() {
    assertThat(read(QWEN_2).biases()).isEqualTo(new DecoderConfig.Biases(true, false, false));
  }

  @Test
  void a_bias_on_attention_is_on_all_four_and_heads_may_have_any_size() throws Exception {
    DecoderConfig config =
        read(with("attention_bias", "true", with("mlp_bias", "true", with("head_dim", "80"))));
    assertThat(config.biases()).isEqualTo(new DecoderConfig.Biases(true, true, true));
    assertThat(config.headDim()).isEqualTo(80);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          model_type              | "gpt_oss"                                 | model_type is "gpt_oss"
          model_type              | null                                      | model_type is
          hidden_act              | "gelu"                                    | hidden_act has to be "silu"
          sliding_window          | 4096                                      | sliding_window has to be null
          attention_dropout       | 0.1                                       | attention_dropout has to be 0
          partial_rotary_factor   | 0.5                                       | partial_rotary_factor has to be 1
          rope_scaling            | {"type": "dynamic"}                       | rope_scaling.factor
          rope_scaling            | {"rope_type": "longrope", "factor": 4.0}  | rope_scaling.short_factor
          rope_scaling            | {"rope_type": "proportional"}             | rope_type "proportional"
          rope_scaling            | {"rope_type": "llama3", "factor": 8.0}    | low_freq_factor
          layer_types             | ["sliding_attention"]                     | layer_types
          logit_scale             | 0.0625                                    | "logit_scale"
          residual_multiplier     | 0.22                                      | "residual_multiplier"
          num_key_value_heads     | 5                                         | num_key_value_heads has to be a divisor
          num_hidden_layers       | 0                                         | num_hidden_layers has to be a positive
          head_dim                | 63                                        | head_dim has to be an even number
          hidden_size             | "large"                                   | hidden_size has to be a positive
          quantization_config     | {"quant_method": "gptq", "bits": 4}       | quantization_config has to be bitsandbytes'
          quantization_config     | {"quant_method": "bitsandbytes", "load_in_8bit": true} | nf4
          """)
  void what_would_compute_something_else_is_refused_with_its_key(
      String key, String value, String message) throws Exception {
    assertThatThrownBy(() -> read(with(key, value)))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("config.json")
        .hasMessageContaining(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          rope_scaling        | {"type": "linear", "factor": 2.0}
          quantization_config | {"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}
          some_new_switch     | false
          temperature         | 0.6
          _commit_hash        | "abc"
          neftune_noise_alpha | 5
          attn_implementation | "flash_attention_2"
          task_specific_params | {"summarization": {"length_penalty": 0.8}}
          some_new_object     | null
          """)
  void what_computes_the_same_is_taken(String key, String value) throws Exception {
    assertThat(read(with(key, value)).hiddenSize()).isEqualTo(4096);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "[]", "{", "no"})
  void what_is_no_configuration_is_refused(String text) {
    assertThatThrownBy(() -> read(text)).isInstanceOf(UserError.class);
  }

  private static String with(String key, String value) throws Exception {
    return with(key, value, LLAMA_1);
  }

  private static String with(String key, String value, String json) throws Exception {
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode config = (ObjectNode) mapper.readTree(json);
    config.set(key, mapper.readTree(value));
    return config.toString();
  }
}
