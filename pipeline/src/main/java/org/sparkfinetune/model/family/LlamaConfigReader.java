package org.sparkfinetune.model.family;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Iterator;
import java.util.Set;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.UserError;

/**
 * Reads {@code config.json}. A key that would change the arithmetic in a way not implemented here
 * is an error, and so is one never heard of: ignoring it could train another model than the user's.
 */
public final class LlamaConfigReader {
  private static final Set<String> FAMILIES = Set.of("llama", "mistral", "qwen2");

  /** Read below. */
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
          "max_position_embeddings",
          "rms_norm_eps",
          "rope_theta",
          "rope_scaling",
          "rope_parameters",
          "tie_word_embeddings",
          "attention_bias",
          "mlp_bias",
          "hidden_act",
          "sliding_window",
          "use_sliding_window",
          "pretraining_tp",
          "partial_rotary_factor",
          "quantization_config",
          "architectures",
          "attention_dropout",
          "layer_types");

  /** Without a bearing on training: tokens, generation, origin, storage, initialisation. */
  private static final Set<String> WITHOUT_EFFECT =
      Set.of(
          "bos_token_id",
          "eos_token_id",
          "pad_token_id",
          "unk_token_id",
          "torch_dtype",
          "dtype",
          "transformers_version",
          "transformers.js_config",
          "use_cache",
          "initializer_range",
          "_name_or_path",
          "name_or_path",
          "is_llama_config",
          "rope_interleaved",
          "max_window_layers",
          "output_attentions",
          "output_hidden_states",
          "return_dict",
          "tokenizer_class",
          "unsloth_version",
          "unsloth_fixed",
          "chunk_size_feed_forward",
          "is_encoder_decoder",
          "is_decoder",
          "id2label",
          "label2id",
          "problem_type",
          "use_bfloat16",
          "finetuning_task",
          "attn_implementation",
          "_attn_implementation_autoset",
          "auto_map",
          "num_labels",
          "decoder_start_token_id",
          "model_max_length",
          "max_sequence_length");

  private final JsonNode json;
  private final String source;

  private LlamaConfigReader(JsonNode json, String source) {
    this.json = json;
    this.source = source;
  }

  /**
   * @param text the content of config.json
   * @param source where it came from, for messages
   * @throws UserError if it is not the configuration of a Llama that can be trained here
   */
  public static LlamaConfig read(String text, String source) {
    try {
      JsonNode json = new ObjectMapper().readTree(text);
      if (!json.isObject()) {
        throw new UserError(source + " is not a JSON object. Is it a model's config.json?");
      }
      return new LlamaConfigReader(json, source).config();
    } catch (JsonProcessingException e) {
      throw new UserError(
          source + " is not valid JSON: " + ParserWords.of(e.getOriginalMessage()), e);
    }
  }

  private LlamaConfig config() {
    String family = family();
    refuseOtherArithmetic(family);
    int hidden = positive("hidden_size");
    int heads = positive("num_attention_heads");
    int keyValueHeads =
        json.hasNonNull("num_key_value_heads") ? positive("num_key_value_heads") : heads;
    int headDim = json.hasNonNull("head_dim") ? positive("head_dim") : hidden / heads;
    require(
        heads % keyValueHeads == 0,
        "num_key_value_heads",
        "a divisor of num_attention_heads = " + heads);
    require(headDim % 2 == 0, "head_dim", "an even number, but it is " + headDim);
    boolean qwen = family.equals("qwen2");
    boolean attentionBias = json.path("attention_bias").asBoolean(false);
    return new LlamaConfig(
        family,
        hidden,
        positive("intermediate_size"),
        positive("num_hidden_layers"),
        heads,
        keyValueHeads,
        headDim,
        positive("vocab_size"),
        json.hasNonNull("max_position_embeddings") ? positive("max_position_embeddings") : 0,
        json.path("rms_norm_eps").asDouble(1e-6),
        ropeTheta(),
        ropeScaling(),
        json.path("tie_word_embeddings").asBoolean(false),
        new LlamaConfig.Biases(
            qwen || attentionBias, !qwen && attentionBias, json.path("mlp_bias").asBoolean(false)));
  }

  private String family() {
    String family = json.path("model_type").asText("");
    if (!FAMILIES.contains(family)) {
      throw new UserError(
          String.format(
              "%s: model_type is %s (architectures %s), but only Llama and models shaped like it"
                  + " can be trained here: llama, mistral without a sliding window, qwen2.",
              source,
              family.isEmpty() ? "missing" : "\"" + family + "\"",
              json.path("architectures")));
    }
    return family;
  }

  private void refuseOtherArithmetic(String family) {
    require(json.path("hidden_act").asText("silu").equals("silu"), "hidden_act", "\"silu\"");
    require(json.path("attention_dropout").asDouble(0) == 0, "attention_dropout", "0");
    require(json.path("partial_rotary_factor").asDouble(1) == 1, "partial_rotary_factor", "1");
    boolean sliding =
        family.equals("qwen2")
            ? json.path("use_sliding_window").asBoolean(false)
            : json.hasNonNull("sliding_window");
    require(!sliding, "sliding_window", "null: attention in a sliding window is not implemented");
    for (JsonNode type : json.path("layer_types")) {
      require(
          type.asText().equals("full_attention"),
          "layer_types",
          "\"full_attention\" in every layer");
    }
    refuseOtherQuantization();
    refuseUnknownKeys();
  }

  private void refuseOtherQuantization() {
    JsonNode quantization = json.path("quantization_config");
    if (quantization.isObject()) {
      boolean readable =
          quantization.path("quant_method").asText("bitsandbytes").equals("bitsandbytes")
              && quantization.path("bnb_4bit_quant_type").asText("").equals("nf4");
      require(
          readable,
          "quantization_config",
          "bitsandbytes' with bnb_4bit_quant_type nf4, or left out with 16-bit weights");
    }
  }

  private void refuseUnknownKeys() {
    for (Iterator<String> names = json.fieldNames(); names.hasNext(); ) {
      String name = names.next();
      boolean known = USED.contains(name) || WITHOUT_EFFECT.contains(name);
      JsonNode value = json.get(name);
      boolean off = value.isNull() || value.isBoolean() && !value.asBoolean();
      if (!known && !off) {
        throw new UserError(
            String.format(
                "%s: the key \"%s\" (value %s) is not known here and could change what the model"
                    + " computes. If it does not, remove it from the file; otherwise this model"
                    + " cannot be trained with spark-finetune.",
                source, name, value));
      }
    }
  }

  private double ropeTheta() {
    JsonNode inner = json.path("rope_parameters").path("rope_theta");
    double theta = inner.isNumber() ? inner.asDouble() : json.path("rope_theta").asDouble(10_000);
    require(theta > 0, "rope_theta", "a positive number");
    return theta;
  }

  private RopeScaling ropeScaling() {
    String key = json.hasNonNull("rope_parameters") ? "rope_parameters" : "rope_scaling";
    JsonNode scaling = json.path(key);
    String type = scaling.path("rope_type").asText(scaling.path("type").asText("default"));
    return switch (type) {
      case "default" -> new RopeScaling.None();
      case "linear" -> new RopeScaling.Linear(positive(key, scaling, "factor"));
      case "llama3" ->
          new RopeScaling.Llama3(
              positive(key, scaling, "factor"),
              positive(key, scaling, "low_freq_factor"),
              positive(key, scaling, "high_freq_factor"),
              (int) positive(key, scaling, "original_max_position_embeddings"));
      default ->
          throw new UserError(
              String.format(
                  "%s: %s has rope_type \"%s\"; implemented are default, linear and llama3.",
                  source, key, type));
    };
  }

  private double positive(String parent, JsonNode node, String key) {
    double value = node.path(key).asDouble(Double.NaN);
    require(value > 0, parent + "." + key, "a positive number, but it is " + node.path(key));
    return value;
  }

  private int positive(String key) {
    JsonNode value = json.path(key);
    require(
        value.isInt() && value.asInt() > 0,
        key,
        "a positive whole number, but it is "
            + (value.isMissingNode() ? "missing" : value.toString()));
    return value.asInt();
  }

  private void require(boolean condition, String key, String allowed) {
    if (!condition) {
      throw new UserError(
          String.format(
              "%s: %s has to be %s (the file says %s).", source, key, allowed, json.path(key)));
    }
  }
}
