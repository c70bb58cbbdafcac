package org.sparkfinetune.model.family;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The {@code config.json} of a model that reads images too: the part that describes its decoder,
 * through which a text goes as through a decoder alone.
 */
final class WrapperConfig {
  /** Their {@code model_type}. */
  static final List<String> TYPES = Stream.of(Wrapper.values()).map(Wrapper::modelType).toList();

  private static final String TEXT = "text_config";
  private static final String TIED = "tie_word_embeddings";
  private static final String QUANTIZATION = "quantization_config";

  /** What a model's own part says of images, or of where they stand in a text. */
  private static final Set<String> OF_IMAGES =
      Set.of(
          "text_config",
          "vision_config",
          "vision_feature_layer",
          "vision_feature_select_strategy",
          "image_seq_length",
          "image_token_index",
          "video_token_id",
          "vision_start_token_id",
          "vision_end_token_id",
          "mm_tokens_per_image",
          "boi_token_index",
          "eoi_token_index",
          "boi_token_id",
          "eoi_token_id",
          "projector_hidden_act",
          "multimodal_projector_bias",
          "spatial_merge_size");

  /** Models around a decoder, with what is meant where files say nothing. */
  private enum Wrapper {
    GEMMA3("gemma3_text", true),
    MISTRAL3("mistral", false),
    QWEN3_VL("qwen3_vl_text", false);

    private final String textType;
    private final boolean tied;

    Wrapper(String textType, boolean tied) {
      this.textType = textType;
      this.tied = tied;
    }

    String modelType() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Numbers that older files leave out of {@code text_config}: what the class has. */
  private static final Map<String, Map<String, Integer>> USUAL =
      Map.of(
          "gemma3_text", sizes(2304, 9216, 26, 8, 262_208, 131_072),
          "mistral", sizes(4096, 14_336, 32, 32, 32_000, 131_072),
          "ministral3", sizes(4096, 14_336, 34, 32, 131_072, 262_144),
          "qwen3_vl_text", sizes(4096, 22_016, 32, 32, 151_936, 128_000));

  private WrapperConfig() {}

  private static Map<String, Integer> sizes(
      int hidden, int intermediate, int layers, int heads, int vocabulary, int positions) {
    return Map.of(
        "hidden_size", hidden,
        "intermediate_size", intermediate,
        "num_hidden_layers", layers,
        "num_attention_heads", heads,
        "vocab_size", vocabulary,
        "max_position_embeddings", positions);
  }

  /**
   * The decoder's own configuration; empty if the file is one.
   *
   * @throws org.sparkfinetune.errors.UserError if the model is of another kind than its text, or a
   *     key beside {@code text_config} is not known
   */
  static Optional<ConfigJson> of(ConfigJson config) {
    return Stream.of(Wrapper.values())
        .filter(wrapper -> wrapper.modelType().equals(config.json().path("model_type").asText()))
        .findFirst()
        .map(wrapper -> text(config, wrapper));
  }

  private static ConfigJson text(ConfigJson config, Wrapper wrapper) {
    JsonNode whole = config.json();
    config.require(whole.path(TEXT).isObject(), TEXT, "an object that describes the decoder");
    ConfigKeys.refuseUnknown(config, wrapper.modelType(), OF_IMAGES);
    ObjectNode text = new ObjectMapper().createObjectNode();
    text.put("model_type", wrapper.textType);
    text.setAll((ObjectNode) whole.path(TEXT));
    USUAL
        .getOrDefault(text.path("model_type").asText(), Map.of())
        .forEach(
            (key, size) -> {
              if (!text.hasNonNull(key)) {
                text.put(key, size);
              }
            });
    if (text.path("model_type").asText().equals("qwen3_vl_text")) {
      // All three of an image token's positions are a text token's one, so this is Qwen3.
      text.put("model_type", "qwen3");
      if (!text.has("rope_theta") && !text.path("rope_parameters").has("rope_theta")) {
        text.put("rope_theta", 500_000.0);
      }
    }
    // The head is the wrapper's, and so is what quantised the file.
    text.put(TIED, config.flag(TIED, text.path(TIED).asBoolean(wrapper.tied)));
    if (whole.hasNonNull(QUANTIZATION)) {
      text.set(QUANTIZATION, whole.path(QUANTIZATION));
    }
    return new ConfigJson(text, config.source() + ": " + TEXT);
  }
}
