package org.sparkfinetune.model.peft;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.family.DecoderWeights;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.family.ModuleNames;
import org.sparkfinetune.model.peft.AdapterConfig.Variant;
import org.sparkfinetune.model.peft.LoraModules.AllLinear;
import org.sparkfinetune.model.peft.LoraModules.Expression;
import org.sparkfinetune.model.peft.LoraModules.Names;
import org.sparkfinetune.model.peft.LoraModules.Targets;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * Which linears of a model carry LoRA, of which ranks, and what their products count; and which
 * tokens' embeddings are trained beside them.
 */
public final class LoraTargets {
  private static final String FIRST_A = ".lora_A0.weight";
  private static final String FIRST_B = ".lora_B0.weight";

  /** The trained embeddings of single tokens. */
  public static final String TOKEN_ROWS = "model.embed_tokens.token_adapter.trainable_tokens_delta";

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
  private final Variant variant;
  private final List<Integer> tokens;
  private final boolean ofBase;

  /**
   * As an adapter says it: of several names some may be of other models, as PEFT allows.
   *
   * @throws UserError if nothing of the model is matched
   */
  public LoraTargets(DecoderConfig config, AdapterConfig lora) {
    this.config = config;
    this.wanted = lora.modules();
    this.ranks = lora.ranks();
    this.variant = lora.variant();
    this.tokens = lora.tokens();
    this.ofBase = lora.beginning().ofBase();
    requireTokens(wanted.modulesToSave());
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

  private void requireTokens(List<String> saved) {
    for (int id : tokens) {
      if (id < 0 || id >= config.vocabSize()) {
        throw new UserError(
            "trainable_token_indices: the model has no token %s; it has 0 to %s."
                .formatted(id, config.vocabSize() - 1));
      }
    }
    if (!tokens.isEmpty() && config.tieWordEmbeddings() && saved.contains("lm_head")) {
      throw new UserError(
          "trainable_token_indices goes to the head too where it is tied to the embedding, as this model's is, so modules_to_save cannot name lm_head; leave one of the two out.");
    }
  }

  /** Tokens whose embeddings are trained beside a frozen table, in the order of their rows. */
  public List<Integer> tokens() {
    return tokens;
  }

  /** Those embeddings (k, H), if there are any. */
  public Optional<NamedShape> tokenRows() {
    return tokens.isEmpty()
        ? Optional.empty()
        : Optional.of(NamedShape.of(TOKEN_ROWS, tokens.size(), config.hiddenSize()));
  }

  /**
   * As a user asks for it: every word has to mean something.
   *
   * @throws UserError if one of the names or patterns matches no linear, a layer is none, a rank is
   *     too large, or two patterns say different things of one linear
   */
  public static LoraTargets asked(DecoderConfig config, AdapterConfig lora) {
    LoraModules wanted = lora.modules();
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
    LoraTargets targets = new LoraTargets(config, lora);
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      targets.weights(layer);
    }
    targets.requireClear("rank_pattern", lora.ranks().rankPattern());
    targets.requireClear("alpha_pattern", lora.ranks().alphaPattern());
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
        names.add(name(config, layer, module));
      }
    }
    return names;
  }

  private static String name(DecoderConfig config, int layer, LinearModule module) {
    return config.names().inModel(DecoderWeights.layerPrefix(layer) + module.path());
  }

  /** Names of all linears that carry LoRA, as {@code model.layers.0.self_attn.q_proj}. */
  public List<String> all() {
    return linears(config).stream().filter(wanted::has).toList();
  }

  public boolean has(int layer, LinearModule module) {
    return wanted.has(name(config, layer, module));
  }

  /** The modules of a layer that carry LoRA. */
  public List<LinearModule> modules(int layer) {
    return LinearModule.adaptable(config).stream().filter(module -> has(layer, module)).toList();
  }

  /** What the product of each of a layer's linears is multiplied by, by their slots. */
  public double[] scales(int layer) {
    double[] scales = new double[LinearModule.SLOTS];
    for (LinearModule module : LinearModule.adaptable(config)) {
      scales[module.slot()] = ranks.scaling(name(config, layer, module));
    }
    return scales;
  }

  /**
   * A (r, in) and B (out, r) of a layer's modules, and B's bias (out) or DoRA's magnitudes (out,
   * 1), named as in adapter files without their prefix; then the first A and B, if W is less by
   * them.
   */
  public List<NamedShape> weights(int layer) {
    List<NamedShape> weights = new ArrayList<>();
    for (LinearModule module : modules(layer)) {
      int r = ranks.rank(name(config, layer, module));
      weights.add(NamedShape.of(nameA(config, layer, module), r, module.inFeatures(config)));
      long out = module.outFeatures(config);
      weights.add(NamedShape.of(nameB(config, layer, module), out, r));
      switch (variant) {
        case PLAIN -> {}
        case BIAS -> weights.add(NamedShape.of(nameC(layer, module), out));
        case DORA -> weights.add(NamedShape.of(nameC(layer, module), out, 1));
      }
      if (ofBase) {
        requireRank(name(config, layer, module), r, Math.min(out, module.inFeatures(config)));
        weights.add(
            NamedShape.of(first(nameA(config, layer, module)), r, module.inFeatures(config)));
        weights.add(NamedShape.of(first(nameB(config, layer, module)), out, r));
      }
    }
    return weights;
  }

  private static void requireRank(String module, int r, long most) {
    if (r > most) {
      throw new UserError(
          "lora_r: %s has a weight of rank %s at most, of which init_lora_weights takes a part of rank %s; choose a smaller rank."
              .formatted(module, most, r));
    }
  }

  /** The name of the first value of A or B that stays, where adapters began as parts of W. */
  public static String first(String name) {
    return name.replace(AdapterNames.LORA_A, FIRST_A).replace(AdapterNames.LORA_B, FIRST_B);
  }

  /** Whether adapters begin as parts of W, which is less by them. */
  public boolean ofBase() {
    return ofBase;
  }

  public static boolean isA(String name) {
    return name.endsWith(AdapterNames.LORA_A);
  }

  /** Whether a tensor is such a first value: kept with the trained ones, and never changed. */
  public static boolean isFirst(String name) {
    return name.endsWith(FIRST_A) || name.endsWith(FIRST_B);
  }

  /** The scaling of a linear, as {@code model.layers.0.self_attn.q_proj}. */
  public double scaling(String module) {
    return ranks.scaling(module);
  }

  public static String nameA(DecoderConfig config, int layer, LinearModule module) {
    return name(config, layer, module) + ".lora_A.weight";
  }

  public static String nameB(DecoderConfig config, int layer, LinearModule module) {
    return nameB(name(config, layer, module));
  }

  /** B of a linear, as {@code model.layers.0.self_attn.q_proj}. */
  public static String nameB(String module) {
    return module + AdapterNames.LORA_B;
  }

  /** B's bias or DoRA's magnitudes; of a plain adapter none of the weights has this name. */
  public String nameC(int layer, LinearModule module) {
    return name(config, layer, module)
        + (variant == Variant.DORA ? AdapterNames.MAGNITUDES : AdapterNames.BIAS_OF_B);
  }

  /** PEFT's names in {@code adapter_model.safetensors}. */
  public static final class AdapterNames {
    static final String PREFIX = "base_model.model.";
    static final String LORA_A = ".lora_A.weight";
    static final String LORA_B = ".lora_B.weight";
    static final String BIAS_OF_B = ".lora_B.bias";
    static final String MAGNITUDES = ".lora_magnitude_vector";

    private AdapterNames() {}

    /**
     * Of a tensor in a file: adapters as the model calls its modules, older spellings too; what is
     * saved whole as it is called here.
     */
    static String inUse(String tensor) {
      if (!tensor.startsWith(PREFIX)) {
        return tensor;
      }
      String name = tensor.substring(PREFIX.length());
      String here = ModuleNames.LANGUAGE_MODEL.here(name);
      boolean wrapped = !here.equals(name) && name.contains(".lora_");
      return PREFIX + (wrapped ? ModuleNames.LANGUAGE_MODEL.inModel(here) : here);
    }

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

    /** The bias of B (out). */
    public static String biasOfB(String module) {
      return PREFIX + module + BIAS_OF_B;
    }

    /** DoRA's magnitudes (out). */
    public static String magnitudes(String module) {
      return PREFIX + module + MAGNITUDES;
    }

    /** Whether a name, with its prefix or without, is that of DoRA's magnitudes. */
    public static boolean isMagnitudes(String name) {
      return name.endsWith(MAGNITUDES);
    }

    /**
     * Any trained parameter.
     *
     * @param parameter as {@code lm_head.weight}
     */
    public static String saved(String parameter) {
      return PREFIX + parameter;
    }
  }
}
