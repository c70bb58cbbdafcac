package org.sparkfinetune.model.family;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.LayerAttention.QueryGrowth;
import org.sparkfinetune.model.family.LayerAttention.Rope;

/**
 * Reads the rotary embeddings of a {@code config.json}, in every spelling: {@code rope_theta}
 * beside {@code rope_scaling} with {@code type} or {@code rope_type}, or {@code rope_parameters} of
 * transformers 5, one for all layers or one for each type of layer.
 */
final class RopeReader {
  private final ConfigJson config;
  private final int headDim;
  private final double usualTheta;
  private final boolean partial;
  private final boolean growing;

  /**
   * @param usualTheta what the family's class in transformers has
   * @param partial whether a part of a head may turn
   * @param growing whether queries grow with their position
   */
  RopeReader(ConfigJson config, int headDim, double usualTheta, boolean partial, boolean growing) {
    this.config = config;
    this.headDim = headDim;
    this.usualTheta = usualTheta;
    this.partial = partial;
    this.growing = growing;
  }

  /** The one of all layers. */
  Rope ofAllLayers() {
    return rope(key(), config.json().path(key()), usualTheta);
  }

  /** That of layers with full attention, where windows have one of their own. */
  Rope ofFullAttention() {
    JsonNode own = config.json().path("rope_parameters").path("full_attention");
    return own.isObject()
        ? rope("rope_parameters.full_attention", own, usualTheta)
        : rope("rope_scaling", config.json().path("rope_scaling"), usualTheta);
  }

  /**
   * That of layers with a window: never scaled, unless its own parameters say so.
   *
   * @param thetaKey the older spelling of its theta
   */
  Rope ofWindows(String thetaKey, double theta) {
    JsonNode own = config.json().path("rope_parameters").path("sliding_attention");
    return own.isObject()
        ? rope("rope_parameters.sliding_attention", own, theta)
        : new Rope(config.factor(thetaKey, theta), headDim, new RopeScaling.None());
  }

  private String key() {
    return config.json().hasNonNull("rope_parameters") ? "rope_parameters" : "rope_scaling";
  }

  private Rope rope(String key, JsonNode parameters, double theta) {
    double own =
        parameters.hasNonNull("rope_theta")
            ? config.positive(key, parameters, "rope_theta")
            : config.factor("rope_theta", theta);
    return new Rope(own, dimensions(parameters), scaling(key, parameters), growth(key, parameters));
  }

  private QueryGrowth growth(String key, JsonNode parameters) {
    String beta = "llama_4_scaling_beta";
    return growing
        ? new QueryGrowth(config.positive(key, parameters, beta), original(key, parameters))
        : QueryGrowth.NONE;
  }

  private int dimensions(JsonNode parameters) {
    String key = "partial_rotary_factor";
    double part =
        parameters.hasNonNull(key) ? parameters.path(key).asDouble() : config.factor(key, 1);
    config.require(partial || part == 1, key, "1");
    int dimensions = (int) (headDim * part);
    config.require(
        dimensions > 0 && dimensions <= headDim && dimensions % 2 == 0,
        key,
        "a part of head_dim = " + headDim + " that is an even number");
    return dimensions;
  }

  private RopeScaling scaling(String key, JsonNode node) {
    String type = node.path("rope_type").asText(node.path("type").asText("default"));
    return switch (type) {
      case "default" -> new RopeScaling.None();
      case "linear" -> new RopeScaling.Linear(config.positive(key, node, "factor"));
      case "dynamic" ->
          new RopeScaling.Dynamic(
              config.positive(key, node, "factor"), config.positive("max_position_embeddings"));
      case "llama3" ->
          new RopeScaling.Llama3(
              config.positive(key, node, "factor"),
              config.positive(key, node, "low_freq_factor"),
              config.positive(key, node, "high_freq_factor"),
              original(key, node));
      // Phi-3 called longrope "su" at first, and "yarn" for a while.
      case "longrope", "su" -> longRope(key, node);
      case "yarn" -> partial ? longRope(key, node) : yarn(key, node);
      default ->
          throw new UserError(
              "%s: %s has rope_type \"%s\"; implemented are default, linear, dynamic, llama3, yarn and longrope."
                  .formatted(config.source(), key, type));
    };
  }

  private int original(String key, JsonNode node) {
    String name = "original_max_position_embeddings";
    if (config.json().hasNonNull(name)) {
      return config.positive(name);
    }
    return node.hasNonNull(name)
        ? (int) config.positive(key, node, name)
        : config.positive("max_position_embeddings");
  }

  private double factor(String key, JsonNode node, int original) {
    return node.hasNonNull("factor")
        ? config.positive(key, node, "factor")
        : (double) config.positive("max_position_embeddings") / original;
  }

  private RopeScaling yarn(String key, JsonNode node) {
    int original = original(key, node);
    double factor = factor(key, node, original);
    return new RopeScaling.Yarn(
        factor,
        original,
        node.path("beta_fast").asDouble(32),
        node.path("beta_slow").asDouble(1),
        node.path("truncate").asBoolean(true),
        node.hasNonNull("attention_factor")
            ? config.positive(key, node, "attention_factor")
            : yarnAttention(factor, node));
  }

  private static double yarnAttention(double factor, JsonNode node) {
    double all = node.path("mscale_all_dim").asDouble(0);
    double one = node.path("mscale").asDouble(0);
    return one != 0 && all != 0 ? grown(factor, one) / grown(factor, all) : grown(factor, 1);
  }

  private static double grown(double factor, double scale) {
    return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
  }

  private RopeScaling longRope(String key, JsonNode node) {
    int original = original(key, node);
    double factor = factor(key, node, original);
    double attention = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
    return new RopeScaling.LongRope(
        factors(key, node, "short_factor"),
        factors(key, node, "long_factor"),
        original,
        node.hasNonNull("attention_factor")
            ? config.positive(key, node, "attention_factor")
            : attention);
  }

  private List<Double> factors(String key, JsonNode node, String name) {
    List<Double> factors = new ArrayList<>();
    node.path(name).forEach(value -> factors.add(value.asDouble(Double.NaN)));
    int pairs = dimensions(node) / 2;
    boolean usable = factors.size() == pairs && factors.stream().allMatch(value -> value > 0);
    if (!usable) {
      throw new UserError(
          "%s: %s.%s has to be a list of %s positive numbers (the file says %s)."
              .formatted(config.source(), key, name, pairs, node.path(name)));
    }
    return factors;
  }
}
