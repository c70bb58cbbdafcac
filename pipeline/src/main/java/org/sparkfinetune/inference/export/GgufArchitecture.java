package org.sparkfinetune.inference.export;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderFamily;
import org.sparkfinetune.model.family.Experts;
import org.sparkfinetune.model.family.LayerAttention;
import org.sparkfinetune.model.family.LayerAttention.Rope;
import org.sparkfinetune.model.family.RopeScaling;

/**
 * What llama.cpp calls a family, and what it takes for granted of it ({@code src/models} there). A
 * model of which that is not true is refused: llama.cpp would compute another one.
 *
 * @param name its name in llama.cpp
 * @param interleaved whether it turns neighbouring rows of a head, and not row i with row i + D/2
 * @param windows whether it knows windows
 */
record GgufArchitecture(String name, boolean interleaved, Windows windows) {
  private static final Logger LOG = LoggerFactory.getLogger(GgufArchitecture.class);

  /** Windows in llama.cpp. */
  enum Windows {
    /** It attends to all tokens before. */
    IGNORED,
    /** In the layers that are fixed for the architecture. */
    FIXED,
    /** In the layers that the file names. */
    LISTED
  }

  private static final Map<String, GgufArchitecture> BY_MODEL_TYPE =
      Map.ofEntries(
          Map.entry("llama", new GgufArchitecture("llama", true, Windows.IGNORED)),
          Map.entry("mistral", new GgufArchitecture("llama", true, Windows.IGNORED)),
          Map.entry("ministral", new GgufArchitecture("llama", true, Windows.IGNORED)),
          Map.entry("ministral3", new GgufArchitecture("mistral3", true, Windows.IGNORED)),
          Map.entry("qwen2", new GgufArchitecture("qwen2", false, Windows.IGNORED)),
          Map.entry("qwen3", new GgufArchitecture("qwen3", false, Windows.IGNORED)),
          Map.entry("qwen3_moe", new GgufArchitecture("qwen3moe", false, Windows.IGNORED)),
          Map.entry("smollm3", new GgufArchitecture("smollm3", true, Windows.IGNORED)),
          Map.entry("granite", new GgufArchitecture("granite", true, Windows.IGNORED)),
          Map.entry("olmo2", new GgufArchitecture("olmo2", false, Windows.IGNORED)),
          Map.entry("olmo3", new GgufArchitecture("olmo2", false, Windows.LISTED)),
          Map.entry("phi3", new GgufArchitecture("phi3", false, Windows.IGNORED)),
          Map.entry("gemma2", new GgufArchitecture("gemma2", false, Windows.FIXED)),
          Map.entry("gemma3_text", new GgufArchitecture("gemma3", false, Windows.FIXED)));

  /**
   * @throws UserError if llama.cpp would compute something else
   */
  static GgufArchitecture of(DecoderConfig config) {
    GgufArchitecture architecture = BY_MODEL_TYPE.get(config.modelType());
    if (architecture == null) {
      throw refused(config, "the family is not known to this export");
    }
    architecture.check(config);
    return architecture;
  }

  private static UserError refused(DecoderConfig config, String why) {
    return new UserError(
        "This model (%s) cannot be written as GGUF: %s. Merge it to safetensors (format: safetensors) and use that."
            .formatted(config.modelType(), why));
  }

  private void check(DecoderConfig config) {
    for (LayerAttention layer : config.layers()) {
      if (layer.rope().map(Rope::scaling).orElse(new RopeScaling.None())
          instanceof RopeScaling.Dynamic) {
        throw refused(config, "llama.cpp has no rope_type \"dynamic\"");
      }
    }
    switch (name) {
      case "smollm3" -> requirePattern(config, "no positions in every fourth layer", noRope(4));
      case "qwen3moe" -> requireExperts(config);
      case "gemma2" -> {
        requireScale(config);
        requirePattern(config, "a window in every second layer", slides(2));
      }
      case "gemma3" -> {
        requireScale(config);
        requirePattern(config, "a window in five layers of six", slides(6));
        requireLocalTheta(config);
      }
      default -> {}
    }
    int window = window(config);
    if (windows == Windows.IGNORED && window > 0) {
      LOG.warn(
          "llama.cpp has no windows for {}: a text of more than {} tokens is computed with full"
              + " attention there.",
          name,
          window);
    }
  }

  /** What a pattern wants of a layer: whether it has a window, or positions. */
  private record Wanted(boolean window, boolean rope) {}

  private static IntFunction<Wanted> slides(int every) {
    return layer -> new Wanted((layer + 1) % every != 0, true);
  }

  private static IntFunction<Wanted> noRope(int every) {
    return layer -> new Wanted(false, (layer + 1) % every != 0);
  }

  private static void requirePattern(
      DecoderConfig config, String pattern, IntFunction<Wanted> wanted) {
    for (int i = 0; i < config.numHiddenLayers(); i++) {
      LayerAttention layer = config.layers().get(i);
      if (!wanted.apply(i).equals(new Wanted(layer.window() > 0, layer.rope().isPresent()))) {
        throw refused(
            config, "llama.cpp takes %s, which layer %s differs from".formatted(pattern, i));
      }
    }
  }

  private static void requireExperts(DecoderConfig config) {
    if (config.experts().weighting() != Experts.Weighting.SHARE) {
      throw refused(config, "llama.cpp takes norm_topk_prob to be true");
    }
    if (config.experts().layers().size() < config.numHiddenLayers()) {
      throw refused(config, "llama.cpp has no layers without experts");
    }
  }

  /** Gemma's largest have the scale of another head size, which llama.cpp knows by their shape. */
  private static void requireScale(DecoderConfig config) {
    double usual = 1 / Math.sqrt(config.headDim());
    double large = 1 / Math.sqrt((double) config.hiddenSize() / config.numAttentionHeads());
    double own = config.attentionScale();
    if (Math.abs(own - usual) > 1e-9 && Math.abs(own - large) > 1e-9) {
      throw refused(config, "llama.cpp takes query_pre_attn_scalar to be head_dim");
    }
  }

  private static void requireLocalTheta(DecoderConfig config) {
    for (LayerAttention layer : config.layers()) {
      if (layer.window() > 0
          && !layer
              .rope()
              .equals(Optional.of(new Rope(10_000, config.headDim(), new RopeScaling.None())))) {
        throw refused(config, "llama.cpp takes rope_local_base_freq to be 10000");
      }
    }
  }

  /** The one window of the layers that have one, 0 for none. */
  static int window(DecoderConfig config) {
    return config.layers().stream().mapToInt(LayerAttention::window).max().orElse(0);
  }

  /** The rotary embedding that the file holds: that of full attention, where there are two. */
  static Optional<Rope> rope(DecoderConfig config) {
    return config.layers().stream()
        .filter(layer -> layer.rope().isPresent())
        .reduce((one, other) -> one.window() > 0 ? other : one)
        .flatMap(LayerAttention::rope);
  }

  /** The metadata that only some families have. */
  void put(GgufMetadata metadata, DecoderConfig config) {
    String prefix = name + ".";
    DecoderFamily family = config.family();
    if (windows != Windows.IGNORED && window(config) > 0) {
      metadata.put(prefix + "attention.sliding_window", window(config));
    }
    if (windows == Windows.LISTED) {
      List<Boolean> slides = config.layers().stream().map(layer -> layer.window() > 0).toList();
      metadata.putBooleans(prefix + "attention.sliding_window_pattern", slides);
    }
    positive(metadata, prefix + "attn_logit_softcapping", family.softCaps().attention());
    positive(metadata, prefix + "final_logit_softcapping", family.softCaps().logits());
    if (name.equals("granite")) {
      metadata.put(prefix + "attention.scale", (float) config.attentionScale());
      metadata.put(prefix + "embedding_scale", (float) family.scales().embedding());
      metadata.put(prefix + "residual_scale", (float) family.scales().residual());
      metadata.put(prefix + "logit_scale", (float) (1 / family.scales().logits()));
    }
    if (config.experts().exist()) {
      metadata.put(prefix + "expert_count", config.experts().count());
      metadata.put(prefix + "expert_used_count", config.experts().perToken());
      metadata.put(prefix + "expert_feed_forward_length", config.experts().intermediateSize());
    }
    rope(config).ifPresent(rope -> put(metadata, rope, config));
  }

  /** The m with which (1 + 0.1 ln factor) / (1 + 0.1 m ln factor) is what turned heads grow by. */
  private static double logMultiplier(RopeScaling.Yarn yarn) {
    double grown = 0.1 * Math.log(yarn.factor());
    return ((1 + grown) / yarn.attentionFactor() - 1) / grown;
  }

  private static void positive(GgufMetadata metadata, String key, double value) {
    if (value > 0) {
      metadata.put(key, (float) value);
    }
  }

  private void put(GgufMetadata metadata, Rope rope, DecoderConfig config) {
    String prefix = name + ".rope.";
    metadata.put(prefix + "freq_base", (float) rope.theta());
    metadata.put(prefix + "dimension_count", rope.dimensions());
    if (rope.scaling() instanceof RopeScaling.Linear linear) {
      metadata.put(prefix + "scaling.type", "linear");
      metadata.put(prefix + "scaling.factor", (float) linear.factor());
    } else if (rope.scaling() instanceof RopeScaling.Yarn yarn) {
      metadata.put(prefix + "scaling.type", "yarn");
      metadata.put(prefix + "scaling.factor", (float) yarn.factor());
      metadata.put(prefix + "scaling.original_context_length", yarn.originalMaxPositions());
      metadata.put(prefix + "scaling.yarn_beta_fast", (float) yarn.betaFast());
      metadata.put(prefix + "scaling.yarn_beta_slow", (float) yarn.betaSlow());
      if (name.equals("mistral3")) {
        metadata.put(prefix + "scaling.yarn_log_multiplier", (float) logMultiplier(yarn));
        metadata.put(name + ".attention.temperature_scale", (float) rope.growth().beta());
      }
    } else if (rope.scaling() instanceof RopeScaling.LongRope longRope) {
      metadata.put(prefix + "scaling.original_context_length", longRope.originalMaxPositions());
      metadata.put(prefix + "scaling.attn_factor", (float) longRope.attentionFactor());
    }
  }
}
