package org.sparkfinetune.model.family;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderFamily.Activation;
import org.sparkfinetune.model.family.DecoderFamily.Linears;
import org.sparkfinetune.model.family.DecoderFamily.NormWeight;
import org.sparkfinetune.model.family.DecoderFamily.Norms;
import org.sparkfinetune.model.family.DecoderFamily.QkNorm;
import org.sparkfinetune.model.family.DecoderFamily.Rotation;
import org.sparkfinetune.model.family.DecoderFamily.Scales;
import org.sparkfinetune.model.family.DecoderFamily.SoftCaps;
import org.sparkfinetune.model.family.LayerAttention.Rope;

/**
 * Reads {@code config.json}: the one place that knows families by name. What a file leaves out is
 * what the family's class in transformers has. A key that would change the arithmetic in a way not
 * implemented here is an error, and so is one never heard of: ignoring it could train another model
 * than the user's.
 */
public final class DecoderConfigReader {

  private static final ObjectMapper JSON = new ObjectMapper();

  private final ConfigJson config;
  private final JsonNode json;
  private final Family family;
  private final ModuleNames names;

  private DecoderConfigReader(ConfigJson config, ModuleNames names) {
    this.config = config;
    this.json = config.json();
    this.family = family(config);
    this.names = names;
  }

  /** The families that can be read, by their {@code model_type}. */
  public static List<String> families() {
    return Stream.of(Family.values()).map(Family::modelType).toList();
  }

  /**
   * @param text the content of config.json
   * @param source where it came from, for messages
   * @throws UserError if it is not the configuration of a model that can be trained here
   */
  public static DecoderConfig read(String text, String source) {
    try {
      JsonNode json = JSON.readTree(text);
      if (!json.isObject()) {
        throw new UserError(source + " is not a JSON object. Is it a model's config.json?");
      }
      ConfigJson config = new ConfigJson(json, source);
      return WrapperConfig.of(config)
          .map(part -> new DecoderConfigReader(part, ModuleNames.LANGUAGE_MODEL))
          .orElseGet(() -> new DecoderConfigReader(config, ModuleNames.DECODER))
          .read();
    } catch (JsonProcessingException e) {
      throw new UserError(
          source + " is not valid JSON: " + ParserWords.of(e.getOriginalMessage()), e);
    }
  }

  private static Family family(ConfigJson config) {
    String type = config.json().path("model_type").asText("");
    return Stream.of(Family.values())
        .filter(family -> family.modelType().equals(type))
        .findFirst()
        .orElseThrow(
            () ->
                new UserError(
                    "%s: model_type is %s (architectures %s), which cannot be trained here. Implemented are %s."
                        .formatted(
                            config.source(),
                            type.isEmpty() ? "missing" : "\"" + type + "\"",
                            config.json().path("architectures"),
                            String.join(", ", families())
                                + ", and the texts of "
                                + String.join(", ", WrapperConfig.TYPES))));
  }

  private DecoderConfig read() {
    refuseOtherArithmetic();
    int hidden = config.positive("hidden_size");
    int heads = config.positive("num_attention_heads");
    int keyValueHeads =
        config.positive("num_key_value_heads", or(family.usual().keyValueHeads(), heads));
    int headDim = config.positive("head_dim", or(family.usual().headDim(), hidden / heads));
    config.require(
        heads % keyValueHeads == 0,
        "num_key_value_heads",
        "a divisor of num_attention_heads = " + heads);
    config.require(headDim % 2 == 0, "head_dim", "an even number, but it is " + headDim);
    int layers = config.positive("num_hidden_layers");
    return new DecoderConfig(
        family.modelType(),
        hidden,
        config.positive("intermediate_size"),
        heads,
        keyValueHeads,
        headDim,
        config.positive("vocab_size"),
        padding(),
        config.positive("max_position_embeddings", 0),
        json.path("rms_norm_eps").asDouble(family.usual().rmsNormEps()),
        config.flag("tie_word_embeddings", family.usual().tied()),
        biases(),
        switches(hidden),
        attention(layers, headDim),
        names,
        family == Family.QWEN3_MOE ? experts(layers) : Experts.NONE);
  }

  /** The loss that balances them is a run's own: every file has its coefficient. */
  private Experts experts(int layers) {
    String key = json.hasNonNull("num_experts") ? "num_experts" : "num_local_experts";
    int count = config.positive(key, 128);
    int perToken = config.positive("num_experts_per_tok", 8);
    config.require(
        perToken <= count, "num_experts_per_tok", "no more than %s = %s".formatted(key, count));
    int step = config.positive("decoder_sparse_step", 1);
    Set<Integer> dense = new HashSet<>();
    json.path("mlp_only_layers").forEach(layer -> dense.add(layer.asInt(-1)));
    return new Experts(
        count,
        perToken,
        config.positive("moe_intermediate_size", 768),
        config.flag("norm_topk_prob", false)
            ? Experts.Weighting.SHARE
            : Experts.Weighting.PROBABILITY,
        IntStream.range(0, layers)
            .filter(layer -> (layer + 1) % step == 0 && !dense.contains(layer))
            .boxed()
            .collect(Collectors.toSet()));
  }

  /** Python's: -1 is the last. Another token than the vocabulary has is none. */
  private OptionalInt padding() {
    if (!json.has("pad_token_id")) {
      OptionalInt usual = family.usual().padding();
      return usual.orElse(0) < config.positive("vocab_size") ? usual : OptionalInt.empty();
    }
    JsonNode id = json.path("pad_token_id");
    int vocabulary = config.positive("vocab_size");
    if (!id.isInt() || Math.abs((long) id.asInt()) > vocabulary || id.asInt() == vocabulary) {
      return OptionalInt.empty();
    }
    return OptionalInt.of(Math.floorMod(id.asInt(), vocabulary));
  }

  private static int or(int usual, int otherwise) {
    return usual == 0 ? otherwise : usual;
  }

  private DecoderConfig.Biases biases() {
    boolean qwen2 = family == Family.QWEN2;
    boolean attention = config.flag("attention_bias", false);
    return new DecoderConfig.Biases(
        qwen2 || attention, !qwen2 && attention, config.flag("mlp_bias", false));
  }

  private DecoderFamily switches(int hidden) {
    return switch (family) {
      case LLAMA, MISTRAL, MINISTRAL, MINISTRAL3, QWEN2, SMOLLM3 -> DecoderFamily.LLAMA;
      case QWEN3, QWEN3_MOE -> like(QkNorm.PER_HEAD, Norms.BEFORE, Linears.SPLIT, Scales.NONE);
      case PHI3 -> like(QkNorm.NONE, Norms.BEFORE, Linears.FUSED, Scales.NONE);
      case GRANITE -> like(QkNorm.NONE, Norms.BEFORE, Linears.SPLIT, graniteScales());
      case OLMO2, OLMO3 ->
          new DecoderFamily(
              QkNorm.WHOLE,
              Norms.AFTER,
              NormWeight.BEFORE_CAST,
              Activation.SILU,
              Linears.SPLIT,
              Rotation.FLOAT32,
              Scales.NONE,
              SoftCaps.NONE);
      case GEMMA2 -> gemma(hidden, QkNorm.NONE, 50, 30);
      case GEMMA3_TEXT -> gemma(hidden, QkNorm.PER_HEAD, 0, 0);
    };
  }

  private static DecoderFamily like(QkNorm qkNorm, Norms norms, Linears linears, Scales scales) {
    return new DecoderFamily(
        qkNorm,
        norms,
        NormWeight.AFTER_CAST,
        Activation.SILU,
        linears,
        Rotation.COMPUTED,
        scales,
        SoftCaps.NONE);
  }

  private Scales graniteScales() {
    return new Scales(
        config.factor("embedding_multiplier", 1),
        config.factor("residual_multiplier", 1),
        config.factor("attention_multiplier", 1),
        1 / config.factor("logits_scaling", 1));
  }

  private DecoderFamily gemma(int hidden, QkNorm qkNorm, double scoreCap, double logitCap) {
    return new DecoderFamily(
        qkNorm,
        Norms.BOTH,
        NormWeight.ONE_PLUS,
        Activation.GELU_TANH,
        Linears.SPLIT,
        Rotation.COMPUTED,
        new Scales(
            Math.sqrt(hidden), 1, 1 / Math.sqrt(config.factor("query_pre_attn_scalar", 256)), 1),
        new SoftCaps(
            cap("attn_logit_softcapping", scoreCap), cap("final_logit_softcapping", logitCap)));
  }

  /** null says that there is none. */
  private double cap(String key, double otherwise) {
    return json.has(key) && json.path(key).isNull() ? 0 : config.factor(key, otherwise);
  }

  private List<LayerAttention> attention(int layers, int headDim) {
    boolean growing = family == Family.MINISTRAL3;
    RopeReader ropes =
        new RopeReader(config, headDim, family.usual().theta(), family == Family.PHI3, growing);
    int window = window();
    IntPredicate slides = slides(layers, window);
    List<LayerAttention> all = new ArrayList<>();
    for (int layer = 0; layer < layers; layer++) {
      boolean slide = window > 0 && slides.test(layer);
      all.add(new LayerAttention(slide ? window : 0, rope(ropes, layer, slide)));
    }
    return all;
  }

  private Optional<Rope> rope(RopeReader ropes, int layer, boolean slides) {
    return switch (family) {
      case OLMO3 ->
          Optional.of(
              slides
                  ? ropes.ofWindows("rope_theta", family.usual().theta())
                  : ropes.ofFullAttention());
      case GEMMA3_TEXT ->
          Optional.of(
              slides ? ropes.ofWindows("rope_local_base_freq", 10_000) : ropes.ofFullAttention());
      case SMOLLM3 -> turns(layer) ? Optional.of(ropes.ofAllLayers()) : Optional.empty();
      case LLAMA,
          MISTRAL,
          MINISTRAL,
          MINISTRAL3,
          QWEN2,
          QWEN3,
          QWEN3_MOE,
          GRANITE,
          OLMO2,
          PHI3,
          GEMMA2 ->
          Optional.of(ropes.ofAllLayers());
    };
  }

  /** SmolLM3: 0 says that a layer has no positions; by default every fourth. */
  private boolean turns(int layer) {
    JsonNode list = json.path("no_rope_layers");
    if (list.isArray()) {
      config.require(list.size() > layer, "no_rope_layers", "a list with a number for each layer");
      return list.path(layer).asInt(1) != 0;
    }
    return (layer + 1) % config.positive("no_rope_layer_interval", 4) != 0;
  }

  /** 0 for none. */
  private int window() {
    int usual =
        switch (family) {
          case MISTRAL, MINISTRAL, OLMO3, GEMMA2, GEMMA3_TEXT -> 4096;
          case QWEN2, QWEN3, QWEN3_MOE -> config.flag("use_sliding_window", false) ? 4096 : 0;
          case LLAMA, SMOLLM3, GRANITE, OLMO2, PHI3, MINISTRAL3 -> 0;
        };
    boolean off =
        switch (family) {
          case QWEN2, QWEN3, QWEN3_MOE, SMOLLM3 -> !config.flag("use_sliding_window", false);
          case LLAMA,
              MISTRAL,
              MINISTRAL,
              MINISTRAL3,
              GRANITE,
              OLMO2,
              OLMO3,
              PHI3,
              GEMMA2,
              GEMMA3_TEXT ->
              json.has("sliding_window") && json.path("sliding_window").isNull();
        };
    return off ? 0 : config.positive("sliding_window", usual);
  }

  /** Which layers have the window. */
  private IntPredicate slides(int layers, int window) {
    JsonNode types = json.path("layer_types");
    boolean listed =
        family != Family.MISTRAL && family != Family.MINISTRAL3 && family != Family.QWEN3_MOE;
    if (types.isArray() && listed) {
      return byType(types, layers, window);
    }
    return switch (family) {
      case LLAMA, GRANITE, OLMO2, MISTRAL, MINISTRAL, MINISTRAL3, PHI3, QWEN3_MOE -> layer -> true;
      case QWEN2, QWEN3 -> layer -> layer >= config.positive("max_window_layers", 28);
      case SMOLLM3 -> layer -> !turns(layer);
      case GEMMA2 -> layer -> layer % 2 == 0;
      case OLMO3 -> layer -> layer % 4 != 3;
      case GEMMA3_TEXT -> {
        int every =
            config.positive(
                "sliding_window_pattern", config.positive("_sliding_window_pattern", 6));
        yield layer -> (layer + 1) % every != 0;
      }
    };
  }

  private IntPredicate byType(JsonNode types, int layers, int window) {
    List<String> known = List.of("full_attention", "sliding_attention");
    config.require(types.size() >= layers, "layer_types", "a list with a type for each layer");
    boolean sliding = false;
    for (JsonNode type : types) {
      config.require(
          known.contains(type.asText()), "layer_types", "full_attention or sliding_attention");
      sliding |= type.asText().equals("sliding_attention");
    }
    config.require(
        !sliding || window > 0, "sliding_window", "a number, because layer_types has windows");
    return layer -> types.path(layer).asText().equals("sliding_attention");
  }

  private void refuseOtherArithmetic() {
    String activation = family.isGemma() ? "gelu_pytorch_tanh" : "silu";
    // Gemma's first files said "gelu" in hidden_act and meant the other.
    String key =
        family.isGemma() && json.hasNonNull("hidden_activation")
            ? "hidden_activation"
            : "hidden_act";
    config.require(
        json.path(key).asText(activation).equals(activation), key, "\"" + activation + "\"");
    for (String dropout : List.of("attention_dropout", "embd_pdrop", "resid_pdrop")) {
      config.require(json.path(dropout).asDouble(0) == 0, dropout, "0");
    }
    config.require(
        family.keys().contains("sliding_window") || !json.hasNonNull("sliding_window"),
        "sliding_window",
        "null: attention of " + family.modelType() + " has no window");
    refuseOtherQuantization();
    ConfigKeys.refuseUnknown(config, family.modelType(), family.keys());
  }

  private void refuseOtherQuantization() {
    JsonNode quantization = json.path("quantization_config");
    if (quantization.isObject()) {
      boolean readable =
          quantization.path("quant_method").asText("bitsandbytes").equals("bitsandbytes")
              && quantization.path("bnb_4bit_quant_type").asText("").equals("nf4");
      config.require(
          readable,
          "quantization_config",
          "bitsandbytes' with bnb_4bit_quant_type nf4, or left out with 16-bit weights");
    }
  }
}
