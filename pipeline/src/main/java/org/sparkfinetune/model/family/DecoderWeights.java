package org.sparkfinetune.model.family;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.sparkfinetune.model.family.DecoderFamily.Norms;
import org.sparkfinetune.model.family.DecoderFamily.QkNorm;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Names and shapes of a decoder's weights, by the groups that are gathered together. */
public final class DecoderWeights {
  public static final String EMBED_TOKENS = "model.embed_tokens.weight";
  public static final String FINAL_NORM = "model.norm.weight";
  public static final String LM_HEAD = "lm_head.weight";

  private DecoderWeights() {}

  public static String layerPrefix(int layer) {
    return "model.layers." + layer + ".";
  }

  public static NamedShape embedTokens(DecoderConfig config) {
    return NamedShape.of(EMBED_TOKENS, config.vocabSize(), config.hiddenSize());
  }

  public static NamedShape finalNorm(DecoderConfig config) {
    return NamedShape.of(FINAL_NORM, config.hiddenSize());
  }

  public static NamedShape lmHead(DecoderConfig config) {
    return NamedShape.of(LM_HEAD, config.vocabSize(), config.hiddenSize());
  }

  /**
   * The norms of a layer by what they stand before or after; empty where the family has none.
   *
   * @param attention before attention
   * @param mlp before the MLP
   * @param query of queries
   * @param key of keys
   * @param afterAttention of what attention adds
   * @param afterMlp of what the MLP adds
   */
  public record LayerNorms(
      Optional<NamedShape> attention,
      Optional<NamedShape> mlp,
      Optional<NamedShape> query,
      Optional<NamedShape> key,
      Optional<NamedShape> afterAttention,
      Optional<NamedShape> afterMlp) {

    public static LayerNorms of(DecoderConfig config, int layer) {
      String prefix = layerPrefix(layer);
      Norms norms = config.family().norms();
      QkNorm qk = config.family().qkNorm();
      int hidden = config.hiddenSize();
      String mlp = norms == Norms.BOTH ? "pre_feedforward_layernorm" : "post_attention_layernorm";
      return new LayerNorms(
          norm(norms.before(), prefix + "input_layernorm", hidden),
          norm(norms.before(), prefix + mlp, hidden),
          norm(qk != QkNorm.NONE, prefix + "self_attn.q_norm", width(config, config.queryWidth())),
          norm(qk != QkNorm.NONE, prefix + "self_attn.k_norm", width(config, config.keyWidth())),
          norm(norms.after(), prefix + "post_attention_layernorm", hidden),
          norm(norms.after(), prefix + "post_feedforward_layernorm", hidden));
    }

    private static long width(DecoderConfig config, long whole) {
      return config.family().qkNorm() == QkNorm.PER_HEAD ? config.headDim() : whole;
    }

    private static Optional<NamedShape> norm(boolean there, String name, long width) {
      return there ? Optional.of(NamedShape.of(name + ".weight", width)) : Optional.empty();
    }
  }

  /**
   * The twenty slots of a layer's script in order: the norm before attention, q, k, v, o, the norm
   * before the MLP, gate, up, down, seven biases, the norms of queries and keys, and those after
   * attention and MLP. Empty where the model has no such weight.
   */
  public static List<Optional<NamedShape>> layerSlots(DecoderConfig config, int layer) {
    LayerNorms norms = LayerNorms.of(config, layer);
    List<Optional<NamedShape>> slots = new ArrayList<>();
    slots.add(norms.attention());
    slots.addAll(linears(config, layer, Part.WEIGHT).subList(0, 4));
    slots.add(norms.mlp());
    slots.addAll(linears(config, layer, Part.WEIGHT).subList(4, LinearModule.SLOTS));
    slots.addAll(linears(config, layer, Part.BIAS));
    slots.addAll(List.of(norms.query(), norms.key(), norms.afterAttention(), norms.afterMlp()));
    return slots;
  }

  /** The weights that a layer has, those of experts at the end. */
  public static List<NamedShape> layer(DecoderConfig config, int layer) {
    List<NamedShape> weights = new ArrayList<>(withoutExperts(config, layer));
    for (int expert = 0;
        config.experts().in(layer) && expert < config.experts().count();
        expert++) {
      weights.addAll(expert(config, layer, expert));
    }
    return weights;
  }

  /** The same without experts; the router is one of them. */
  public static List<NamedShape> withoutExperts(DecoderConfig config, int layer) {
    return Stream.concat(
            layerSlots(config, layer).stream().flatMap(Optional::stream),
            router(config, layer).stream())
        .toList();
  }

  /** The router (experts, hidden) of a layer that has experts. */
  public static Optional<NamedShape> router(DecoderConfig config, int layer) {
    return config.experts().in(layer)
        ? Optional.of(Experts.router(config, layer))
        : Optional.empty();
  }

  /** An expert's gate and up (intermediate, hidden), and down (hidden, intermediate). */
  public static List<NamedShape> expert(DecoderConfig config, int layer, int expert) {
    return Experts.expert(config, layer, expert);
  }

  /** The norms that a layer has. */
  public static List<NamedShape> norms(DecoderConfig config, int layer) {
    return withoutExperts(config, layer).stream().filter(weight -> isNorm(weight.name())).toList();
  }

  /** Whether a weight is that of a norm. */
  public static boolean isNorm(String name) {
    return name.endsWith("norm.weight");
  }

  private enum Part {
    WEIGHT,
    BIAS
  }

  private static List<Optional<NamedShape>> linears(DecoderConfig config, int layer, Part part) {
    List<Optional<NamedShape>> slots =
        new ArrayList<>(java.util.Collections.nCopies(LinearModule.SLOTS, Optional.empty()));
    for (LinearModule module : LinearModule.of(config, layer)) {
      String name = layerPrefix(layer) + module.path();
      if (part == Part.WEIGHT) {
        slots.set(
            module.slot(),
            Optional.of(
                NamedShape.of(
                    name + ".weight", module.outFeatures(config), module.inFeatures(config))));
      } else if (module.hasBias(config)) {
        slots.set(
            module.slot(), Optional.of(NamedShape.of(name + ".bias", module.outFeatures(config))));
      }
    }
    return slots;
  }
}
