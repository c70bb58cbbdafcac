package org.sparkfinetune.model.family;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Set;
import java.util.stream.Collectors;
import org.sparkfinetune.errors.UserError;

/**
 * Which keys of a {@code config.json} are known: those that are read, and those no forward reads.
 */
final class ConfigKeys {
  /** Read for every family. */
  private static final Set<String> USED =
      Set.of(
          "model_type",
          "hidden_size",
          "intermediate_size",
          "num_hidden_layers",
          "num_attention_heads",
          "num_key_value_heads",
          "head_dim",
          "vocab_size",
          "pad_token_id",
          "max_position_embeddings",
          "rms_norm_eps",
          "rope_theta",
          "rope_scaling",
          "rope_parameters",
          "tie_word_embeddings",
          "attention_bias",
          "mlp_bias",
          "hidden_act",
          "hidden_activation",
          "sliding_window",
          "partial_rotary_factor",
          "quantization_config",
          "architectures",
          "attention_dropout",
          "embd_pdrop",
          "resid_pdrop",
          "layer_types");

  /**
   * Without a bearing on training: tokens, origin, storage, initialisation, what a forward returns,
   * heads of other tasks, and what generation and training tools leave behind.
   */
  private static final Set<String> WITHOUT_EFFECT =
      words(
          """
          bos_token_id eos_token_id unk_token_id sep_token_id decoder_start_token_id
          forced_bos_token_id forced_eos_token_id tokenizer_class model_max_length
          max_sequence_length image_token_id prefix
          torch_dtype dtype use_bfloat16 transformers_version transformers.js_config _name_or_path
          name_or_path _commit_hash auto_map is_llama_config unsloth_version unsloth_fixed
          use_cache initializer_range output_attentions output_hidden_states output_scores
          return_dict return_dict_in_generate output_past use_return_dict chunk_size_feed_forward
          is_encoder_decoder is_decoder add_cross_attention cross_attention_hidden_size
          tie_encoder_decoder tie_last_hidden_states torchscript tf_legacy_loss pruned_heads
          id2label label2id num_labels problem_type finetuning_task task_specific_params
          classifier_dropout attn_implementation _attn_implementation _attn_implementation_internal
          _attn_implementation_autoset cache_implementation _flash_attn_2_enabled
          gradient_checkpointing neftune_noise_alpha pretraining_tp rope_interleaved
          max_window_layers no_rope_layer_interval use_sliding_window
          do_sample temperature top_k top_p typical_p epsilon_cutoff eta_cutoff min_p num_beams
          num_beam_groups diversity_penalty early_stopping max_length max_new_tokens min_length
          repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size
          bad_words_ids num_return_sequences remove_invalid_values exponential_decay_length_penalty
          suppress_tokens begin_suppress_tokens\
          """);

  private static Set<String> words(String text) {
    return Arrays.stream(text.split("\\s+")).collect(Collectors.toSet());
  }

  private ConfigKeys() {}

  /**
   * @param own keys that this family alone has
   * @throws UserError naming a key that could change what the model computes
   */
  static void refuseUnknown(ConfigJson config, String modelType, Set<String> own) {
    for (Iterator<String> names = config.json().fieldNames(); names.hasNext(); ) {
      String name = names.next();
      boolean known = USED.contains(name) || WITHOUT_EFFECT.contains(name) || own.contains(name);
      JsonNode value = config.json().get(name);
      boolean off = value.isNull() || value.isBoolean() && !value.asBoolean();
      if (!known && !off) {
        throw new UserError(
            "%s: the key \"%s\" (value %s) is not known here for %s and could change what the model computes. If it does not, remove it from the file; otherwise this model cannot be trained with spark-finetune."
                .formatted(config.source(), name, value, modelType));
      }
    }
  }
}
