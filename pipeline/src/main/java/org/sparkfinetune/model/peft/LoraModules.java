package org.sparkfinetune.model.peft;

import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.model.family.ModuleNames;

/**
 * Which modules carry LoRA, by PEFT's rule (0.21.2, {@code check_target_module_exists}): what is
 * excluded or saved whole never does; names match the last parts of a module's name, an expression
 * all of it; {@code layersToTransform} leaves some layers of what names match.
 *
 * @param targets {@code target_modules}
 * @param excluded {@code exclude_modules}
 * @param layersToTransform numbers of layers from 0; none of them means all
 * @param layersPattern what stands before a layer's number in names, as expressions: {@code layers}
 *     in {@code model.layers.0}; without one, anything
 * @param modulesToSave modules that are trained whole and saved beside the adapter
 */
public record LoraModules(
    Targets targets,
    Optional<Targets> excluded,
    List<Integer> layersToTransform,
    List<String> layersPattern,
    List<String> modulesToSave) {
  /**
   * @throws UserError if the parts contradict each other
   */
  public LoraModules {
    layersToTransform = List.copyOf(layersToTransform);
    layersPattern = List.copyOf(layersPattern);
    modulesToSave = List.copyOf(modulesToSave);
    if (targets instanceof Expression
        && !(layersToTransform.isEmpty() && layersPattern.isEmpty())) {
      throw new UserError(
          "layers_to_transform and layers_pattern go with names in target_modules, not with a regular expression (as in PEFT); say the layers in the expression.");
    }
    if (layersToTransform.isEmpty() && !layersPattern.isEmpty()) {
      throw new UserError(
          "layers_pattern is %s, but without layers_to_transform it means nothing (PEFT refuses it); name the layers there."
              .formatted(layersPattern));
    }
    layersPattern.forEach(text -> ModulePattern.compile("layers_pattern", text));
  }

  /** With the targets alone. */
  public static LoraModules of(Targets targets, List<String> modulesToSave) {
    return new LoraModules(targets, Optional.empty(), List.of(), List.of(), modulesToSave);
  }

  /** The same, and nothing outside of the decoder: images' towers have modules of equal names. */
  public LoraModules within(ModuleNames names) {
    if (names == ModuleNames.DECODER) {
      return this;
    }
    String outside = "(?!" + names.inModel("model.").replace(".", "\\.") + ").*";
    String text =
        excluded
            .map(Targets::expression)
            .map(own -> own.endsWith(outside) ? own : own + "|" + outside)
            .orElse(outside);
    return new LoraModules(
        targets,
        Optional.of(Expression.of("exclude_modules", text)),
        layersToTransform,
        layersPattern,
        modulesToSave);
  }

  /**
   * @param module as {@code model.layers.0.self_attn.q_proj}
   */
  public boolean has(String module) {
    if (excluded.isPresent() && excluded.get().matches(module)) {
      return false;
    }
    if (modulesToSave.stream().anyMatch(saved -> isWithin(module, saved))) {
      return false;
    }
    if (targets instanceof Names names && names.names().contains(module)) {
      return true;
    }
    return targets.matches(module)
        && (layersToTransform.isEmpty()
            || layer(module).filter(layersToTransform::contains).isPresent());
  }

  private static boolean isWithin(String module, String saved) {
    return ("." + module + ".").contains("." + saved + ".");
  }

  private Optional<Integer> layer(String module) {
    return (layersPattern.isEmpty() ? List.of("[^.]*") : layersPattern)
        .stream()
            .map(pattern -> Pattern.compile("(?:^|.*?\\.)" + pattern + "\\.(?<idx>\\d+)\\."))
            .map(pattern -> pattern.matcher(module))
            .filter(Matcher::lookingAt)
            .findFirst()
            .flatMap(found -> Optional.ofNullable(found.group("idx")))
            .map(Integer::valueOf);
  }

  /** Modules, as {@code target_modules} and {@code exclude_modules} say them. */
  public sealed interface Targets {
    boolean matches(String module);

    /** The same as an expression over whole names. */
    String expression();
  }

  /** Last parts of module names, as {@code q_proj}; the order is kept for writing. */
  public record Names(List<String> names) implements Targets {
    public Names {
      names = List.copyOf(names);
    }

    @Override
    public boolean matches(String module) {
      return names.stream().anyMatch(name -> module.equals(name) || module.endsWith("." + name));
    }

    @Override
    public String expression() {
      return "(.*\\.)?(" + String.join("|", names).replace(".", "\\.") + ")";
    }
  }

  /** All linears of the decoder layers, which are all but the head: PEFT's {@code all-linear}. */
  public record AllLinear() implements Targets {
    @Override
    public boolean matches(String module) {
      return module.contains(".layers.");
    }

    @Override
    public String expression() {
      return ".*\\.layers\\..*";
    }
  }

  /** A regular expression that the whole module name matches. */
  public record Expression(String text, Pattern pattern) implements Targets {
    /**
     * @param key names the setting in messages
     * @throws UserError if it is none, or one that Python reads otherwise
     */
    public static Expression of(String key, String text) {
      return new Expression(text, ModulePattern.compile(key, text));
    }

    @Override
    public boolean matches(String module) {
      return pattern.matcher(module).matches();
    }

    @Override
    public String expression() {
      return text;
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Expression expression && text.equals(expression.text);
    }

    @Override
    public int hashCode() {
      return text.hashCode();
    }
  }
}
