package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.peft.LoraTargets;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * The groups of weights that are gathered together, and what of each is frozen or trained. The
 * three methods differ in this table and in nothing else.
 */
final class ModelGroups {
  static final String EMBED = "embed_tokens";
  static final String NORM = "norm";
  static final String HEAD = "lm_head";

  /** The embeddings of some tokens, trained beside a frozen table. */
  static final String TOKENS = "trainable_tokens";

  private ModelGroups() {}

  /**
   * @param quantized frozen, kept in NF4
   * @param plain frozen, kept as they are
   */
  record Group(
      String name, List<NamedShape> quantized, List<NamedShape> plain, List<NamedShape> trained) {}

  /** What is trained. */
  sealed interface Method {
    /** Every weight. */
    record Full() implements Method {}

    /**
     * LoRA beside frozen weights.
     *
     * @param modulesToSave of {@code embed_tokens}, {@code lm_head}: trained whole
     */
    record Lora(LoraTargets targets, List<String> modulesToSave, Base base) implements Method {}
  }

  /** How the linears under LoRA are kept. */
  enum Base {
    PLAIN,
    NF4
  }

  /**
   * @param first of its experts
   */
  record ExpertGroup(String name, int first, int count) {}

  /** A layer's experts, in order. */
  static List<ExpertGroup> experts(DecoderConfig config, int layer) {
    List<ExpertGroup> groups = new ArrayList<>();
    int all = config.experts().in(layer) ? config.experts().count() : 0;
    for (int first = 0; first < all; first += BufferSizes.EXPERTS_TOGETHER) {
      int count = Math.min(BufferSizes.EXPERTS_TOGETHER, all - first);
      groups.add(new ExpertGroup(layer(layer) + ".experts." + first, first, count));
    }
    return groups;
  }

  static String layer(int layer) {
    return "layers." + layer;
  }

  static List<Group> of(DecoderConfig config, Method method) {
    List<Group> groups = new ArrayList<>();
    groups.add(single(EMBED, DecoderWeights.embedTokens(config), method));
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      groups.add(layer(config, layer, method));
      for (ExpertGroup group : experts(config, layer)) {
        groups.add(experts(config, layer, group, method));
      }
    }
    groups.add(single(NORM, DecoderWeights.finalNorm(config), method));
    if (hasHead(config, method)) {
      groups.add(single(HEAD, DecoderWeights.lmHead(config), method));
    }
    if (method instanceof Method.Lora lora) {
      lora.targets()
          .tokenRows()
          .ifPresent(rows -> groups.add(new Group(TOKENS, List.of(), List.of(), List.of(rows))));
    }
    return groups;
  }

  /**
   * Whether the head is a weight of its own. PEFT copies what {@code modules_to_save} names, so
   * tied embeddings part there: each copy is trained by itself, and what is not copied stays.
   */
  private static boolean hasHead(DecoderConfig config, Method method) {
    return !config.tieWordEmbeddings()
        || method instanceof Method.Lora lora && !lora.modulesToSave().isEmpty();
  }

  private static Group single(String name, NamedShape weight, Method method) {
    boolean trained =
        method instanceof Method.Full
            || method instanceof Method.Lora lora && lora.modulesToSave().contains(name);
    return trained
        ? new Group(name, List.of(), List.of(), List.of(weight))
        : new Group(name, List.of(), List.of(weight), List.of());
  }

  private static Group layer(DecoderConfig config, int layer, Method method) {
    List<NamedShape> all = DecoderWeights.withoutExperts(config, layer);
    if (!(method instanceof Method.Lora lora)) {
      return new Group(layer(layer), List.of(), List.of(), all);
    }
    List<NamedShape> trained = lora.targets().weights(layer);
    if (lora.base() == Base.PLAIN) {
      return new Group(layer(layer), List.of(), all, trained);
    }
    List<NamedShape> linears =
        all.stream().filter(weight -> LinearModule.isWeight(weight.name())).toList();
    List<NamedShape> rest = all.stream().filter(weight -> !linears.contains(weight)).toList();
    return new Group(layer(layer), linears, rest, trained);
  }

  /** Frozen with every method that a model with experts is trained by. */
  private static Group experts(DecoderConfig config, int layer, ExpertGroup group, Method method) {
    List<NamedShape> weights = new ArrayList<>();
    for (int expert = 0; expert < group.count(); expert++) {
      weights.addAll(DecoderWeights.expert(config, layer, group.first() + expert));
    }
    boolean quantized = method instanceof Method.Lora lora && lora.base() == Base.NF4;
    return quantized
        ? new Group(group.name(), weights, List.of(), List.of())
        : new Group(group.name(), List.of(), weights, List.of());
  }

  /** The slots of a layer's script, in order. */
  static List<Optional<NamedShape>> slots(DecoderConfig config, int layer) {
    return DecoderWeights.layerSlots(config, layer);
  }
}
