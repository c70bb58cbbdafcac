package org.sparkfinetune.model.peft;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.peft.LoraModules.AllLinear;
import org.sparkfinetune.model.peft.LoraModules.Expression;
import org.sparkfinetune.model.peft.LoraModules.Names;
import org.sparkfinetune.model.peft.LoraModules.Targets;
import org.sparkfinetune.model.safetensors.NamedShape;

/** Which linears of a model carry LoRA, of which ranks, and what their products count. */
public final class LoraTargets {
  /** Modules of an MLP with experts, by transformers' names of either version. */
  private static final List<String> FROZEN_BESIDE_EXPERTS =
      List.of(
          "",
          ".gate",
          ".experts",
          ".experts.gate_up_proj",
          ".experts.0.gate_proj",
          ".experts.0.up_proj",
          ".experts.0.down_proj");

  private final DecoderConfig config;
  private final LoraModules wanted;
  private final LoraRanks ranks;

  /**
   * As an adapter says it: of several names some may be of other models, as PEFT allows.
   *
   * @throws UserError if nothing of the model is matched
   */
  public LoraTargets(DecoderConfig config, LoraModules wanted, LoraRanks ranks) {
    this.config = config;
    this.wanted = wanted;
    this.ranks = ranks;
    if (all().isEmpty()) {
      throw new UserError(
          "No linear of the model carries LoRA: target_modules is %s%s. The linears are named as model.layers.0.self_attn.q_proj: %s."
              .formatted(
                  text(wanted.targets()),
                  wanted.excluded().isEmpty() && wanted.layersToTransform().isEmpty()
                      ? ""
                      : ", and exclude_modules and layers_to_transform leave none of them",
                  shortNames(config)));
    }
  }

  /**
   * As a user asks for it: every word has to mean something.
   *
   * @throws UserError if one of the names or patterns matches no linear, a layer is none, or two
   *     patterns say different things of one linear
   */
  public static LoraTargets asked(DecoderConfig config, LoraModules wanted, LoraRanks ranks) {
    refuseExperts(config, wanted.targets());
    requireEachName(config, "lora_target_modules", wanted.targets());
    wanted.excluded().ifPresent(excluded -> requireEachName(config, "exclude_modules", excluded));
    for (int layer : wanted.layersToTransform()) {
      if (layer < 0 || layer >= config.numHiddenLayers()) {
        throw new UserError(
            "layers_to_transform: the model has no layer %s; it has 0 to %s."
                .formatted(layer, config.numHiddenLayers() - 1));
      }
    }
    LoraTargets targets = new LoraTargets(config, wanted, ranks);
    targets.requireClear("rank_pattern", ranks.rankPattern());
    targets.requireClear("alpha_pattern", ranks.alphaPattern());
    return targets;
  }

  /** PEFT would put adapters on what a name or an expression matches of them too. */
  private static void refuseExperts(DecoderConfig config, Targets targets) {
    if (targets instanceof AllLinear) {
      return;
    }
    for (int layer : config.experts().layers()) {
      String mlp = DecoderWeights.layerPrefix(layer) + "mlp";
      for (String frozen : FROZEN_BESIDE_EXPERTS) {
        if (targets.matches(mlp + frozen)) {
          throw new UserError(
              "lora_target_modules: \"%s\" matches %s: a mixture of experts is trained with adapters on attention, its experts and routers stay as they are. Allowed are all-linear, the names %s, or one regular expression that matches those alone."
                  .formatted(text(targets), mlp + frozen, shortNames(config)));
        }
      }
    }
  }

  private static void requireEachName(DecoderConfig config, String key, Targets targets) {
    List<Targets> entries =
        targets instanceof Names names
            ? names.names().stream().<Targets>map(name -> new Names(List.of(name))).toList()
            : List.of(targets);
    for (Targets entry : entries) {
      if (linears(config).stream().noneMatch(entry::matches)) {
        throw new UserError(
            "%s: \"%s\" matches no linear of the model. Allowed are%s the names %s, or one regular expression over names such as model.layers.0.self_attn.q_proj."
                .formatted(
                    key,
                    text(entry),
                    key.equals("exclude_modules") ? "" : " all-linear,",
                    shortNames(config)));
      }
    }
  }

  /** PEFT takes the first pattern that matches, but sorts them when it writes them. */
  private void requireClear(String key, Map<String, ?> patterns) {
    for (String module : linears(config)) {
      Set<String> matching = new TreeSet<>();
      Set<Object> values = new HashSet<>();
      for (Map.Entry<String, ?> entry : patterns.entrySet()) {
        if (ModulePattern.compileLastParts(key, entry.getKey()).matcher(module).matches()) {
          matching.add(entry.getKey());
          values.add(entry.getValue());
        }
      }
      if (values.size() > 1) {
        throw new UserError(
            "%s: %s match %s and say different numbers. Write them so that one matches."
                .formatted(key, matching, module));
      }
    }
    for (String pattern : patterns.keySet()) {
      if (all().stream()
          .noneMatch(m -> ModulePattern.compileLastParts(key, pattern).matcher(m).matches())) {
        throw new UserError(
            "%s: '%s' matches no linear that carries LoRA. It is an expression over the last parts of names such as model.layers.0.self_attn.q_proj."
                .formatted(key, pattern));
      }
    }
  }

  private static String text(Targets targets) {
    if (targets instanceof Names names) {
      return String.join(", ", names.names());
    }
    return targets instanceof Expression expression ? expression.text() : "all-linear";
  }

  private static List<String> shortNames(DecoderConfig config) {
    return LinearModule.adaptable(config).stream().map(LinearModule::shortName).toList();
  }

  /** Names of all linears of a model's layers. */
  static List<String> linears(DecoderConfig config) {
    List<String> names = new ArrayList<>();
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      for (LinearModule module : LinearModule.adaptable(config)) {
        names.add(name(layer, module));
      }
    }
    return names;
  }

  private static String name(int layer, LinearModule module) {
    return DecoderWeights.layerPrefix(layer) + module.path();
  }

  /** Names of all linears that carry LoRA, as {@code model.layers.0.self_attn.q_proj}. */
  public List<String> all() {
    return linears(config).stream().filter(wanted::has).toList();
  }

  public boolean has(int layer, LinearModule module) {
    return wanted.has(name(layer, module));
  }

  /** The modules of a layer that carry LoRA. */
  public List<LinearModule> modules(int layer) {
    return LinearModule.adaptable(config).stream().filter(module -> has(layer, module)).toList();
  }

  /** What the product of each of a layer's linears is multiplied by, by their slots. */
  public double[] scales(int layer) {
    double[] scales = new double[LinearModule.SLOTS];
    for (LinearModule module : LinearModule.adaptable(config)) {
      scales[module.slot()] = ranks.scaling(name(layer, module));
    }
    return scales;
  }

  /**
   * A (r, in) and B (out, r) of a layer's modules, named as in adapter files without their prefix.
   */
  public List<NamedShape> weights(int layer) {
    List<NamedShape> weights = new ArrayList<>();
    for (LinearModule module : modules(layer)) {
      int r = ranks.rank(name(layer, module));
      weights.add(NamedShape.of(nameA(layer, module), r, module.inFeatures(config)));
      weights.add(NamedShape.of(nameB(layer, module), module.outFeatures(config), r));
    }
    return weights;
  }

  public static String nameA(int layer, LinearModule module) {
    return name(layer, module) + ".lora_A.weight";
  }

  public static String nameB(int layer, LinearModule module) {
    return name(layer, module) + ".lora_B.weight";
  }

  /** PEFT's names in {@code adapter_model.safetensors}. */
  public static final class AdapterNames {
    static final String PREFIX = "base_model.model.";
    static final String LORA_A = ".lora_A.weight";
    static final String LORA_B = ".lora_B.weight";

    private AdapterNames() {}

    /**
     * A of a layer; B likewise.
     *
     * @param module as {@code model.layers.0.self_attn.q_proj}
     */
    public static String loraA(String module) {
      return PREFIX + module + LORA_A;
    }

    public static String loraB(String module) {
      return PREFIX + module + LORA_B;
    }

    /**
     * A parameter of a module that is saved whole.
     *
     * @param parameter as {@code lm_head.weight}
     */
    public static String saved(String parameter) {
      return PREFIX + parameter;
    }
  }
}
