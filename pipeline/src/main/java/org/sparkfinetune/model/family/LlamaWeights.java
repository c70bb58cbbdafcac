package org.sparkfinetune.model.family;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Names and shapes of a Llama's weights, by the groups that are gathered together. */
public final class LlamaWeights {
  public static final String EMBED_TOKENS = "model.embed_tokens.weight";
  public static final String FINAL_NORM = "model.norm.weight";
  public static final String LM_HEAD = "lm_head.weight";

  /** How many weights a layer's script takes: two norms, seven linears, seven biases. */
  public static final int LAYER_SLOTS = 16;

  private LlamaWeights() {}

  public static String layerPrefix(int layer) {
    return "model.layers." + layer + ".";
  }

  public static NamedShape embedTokens(LlamaConfig config) {
    return NamedShape.of(EMBED_TOKENS, config.vocabSize(), config.hiddenSize());
  }

  public static NamedShape finalNorm(LlamaConfig config) {
    return NamedShape.of(FINAL_NORM, config.hiddenSize());
  }

  public static NamedShape lmHead(LlamaConfig config) {
    return NamedShape.of(LM_HEAD, config.vocabSize(), config.hiddenSize());
  }

  /** The sixteen slots of a layer's script in order; empty where the model has no such bias. */
  public static List<Optional<NamedShape>> layerSlots(LlamaConfig config, int layer) {
    String prefix = layerPrefix(layer);
    List<Optional<NamedShape>> slots = new ArrayList<>();
    slots.add(norm(config, prefix + "input_layernorm.weight"));
    LinearModule.all().subList(0, 4).forEach(m -> slots.add(weight(config, prefix, m)));
    slots.add(norm(config, prefix + "post_attention_layernorm.weight"));
    LinearModule.all().subList(4, 7).forEach(m -> slots.add(weight(config, prefix, m)));
    LinearModule.all().forEach(m -> slots.add(bias(config, prefix, m)));
    return slots;
  }

  /** The weights that a layer has. */
  public static List<NamedShape> layer(LlamaConfig config, int layer) {
    return layerSlots(config, layer).stream().flatMap(Optional::stream).toList();
  }

  private static Optional<NamedShape> norm(LlamaConfig config, String name) {
    return Optional.of(NamedShape.of(name, config.hiddenSize()));
  }

  private static Optional<NamedShape> weight(LlamaConfig config, String prefix, LinearModule m) {
    String name = prefix + m.path() + ".weight";
    return Optional.of(NamedShape.of(name, m.outFeatures(config), m.inFeatures(config)));
  }

  private static Optional<NamedShape> bias(LlamaConfig config, String prefix, LinearModule m) {
    String name = prefix + m.path() + ".bias";
    return m.hasBias(config)
        ? Optional.of(NamedShape.of(name, m.outFeatures(config)))
        : Optional.empty();
  }
}
