package org.sparkfinetune.model.peft;

import java.util.List;

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
