package org.sparkfinetune.model.peft;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.LinearModule;
import org.sparkfinetune.model.family.LlamaConfig;
import org.sparkfinetune.model.family.LlamaWeights;
import org.sparkfinetune.model.safetensors.NamedShape;

/**
 * Which linears carry LoRA: {@code all-linear} (all but the head), names ({@code q_proj}, {@code
 * self_attn.q_proj}), or one regular expression over full names ({@code
 * model\.layers\.[0-3]\..*_proj}), as PEFT's {@code target_modules}.
 */
public final class LoraTargets {
  private final LlamaConfig config;
  private final int r;
  private final List<String> wanted;
  private final boolean all;

  /**
   * @throws UserError if nothing is matched by one of the entries
   */
  public LoraTargets(LlamaConfig config, int r, List<String> targetModules) {
    this.config = config;
    this.r = r;
    this.wanted = List.copyOf(targetModules);
    this.all = targetModules.equals(List.of("all-linear"));
    wanted.forEach(this::requireMatch);
  }

  public boolean has(int layer, LinearModule module) {
    return all || wanted.stream().anyMatch(entry -> matches(entry, layer, module));
  }

  /** The modules of a layer that carry LoRA. */
  public List<LinearModule> modules(int layer) {
    return LinearModule.of(config).stream().filter(module -> has(layer, module)).toList();
  }

  /**
   * A (r, in) and B (out, r) of a layer's modules, named as in adapter files without their prefix.
   */
  public List<NamedShape> weights(int layer) {
    List<NamedShape> weights = new ArrayList<>();
    for (LinearModule module : modules(layer)) {
      weights.add(NamedShape.of(nameA(layer, module), r, module.inFeatures(config)));
      weights.add(NamedShape.of(nameB(layer, module), module.outFeatures(config), r));
    }
    return weights;
  }

  public static String nameA(int layer, LinearModule module) {
    return LlamaWeights.layerPrefix(layer) + module.path() + ".lora_A.weight";
  }

  public static String nameB(int layer, LinearModule module) {
    return LlamaWeights.layerPrefix(layer) + module.path() + ".lora_B.weight";
  }

  private void requireMatch(String entry) {
    for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
      for (LinearModule module : LinearModule.of(config)) {
        if (all || matches(entry, layer, module)) {
          return;
        }
      }
    }
    throw new UserError(
        String.format(
            "lora_target_modules: \"%s\" matches no linear of the model. Allowed are all-linear,"
                + " the names %s, or a regular expression over names such as"
                + " model.layers.0.self_attn.q_proj.",
            entry, LinearModule.of(config).stream().map(LinearModule::shortName).toList()));
  }

  private static boolean matches(String entry, int layer, LinearModule module) {
    if (entry.equals(module.shortName()) || entry.equals(module.path())) {
      return true;
    }
    if (entry.matches("[A-Za-z0-9_]+")) {
      return false;
    }
    try {
      return Pattern.matches(entry, LlamaWeights.layerPrefix(layer) + module.path());
    } catch (PatternSyntaxException e) {
      throw new UserError(
          "lora_target_modules: \""
              + entry
              + "\" is not a regular expression: "
              + e.getDescription());
    }
  }

  /** Which linear layers have an adapter, as {@code target_modules} says it. */
  public sealed interface TargetModules {

    /** Last parts of module names, as {@code q_proj}; the order is kept for writing. */
    record Names(List<String> names) implements TargetModules {
      public Names {
        names = List.copyOf(names);
      }
    }

    /** A regular expression that the whole module name matches, or {@code all-linear}. */
    record Pattern(String pattern) implements TargetModules {}
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
