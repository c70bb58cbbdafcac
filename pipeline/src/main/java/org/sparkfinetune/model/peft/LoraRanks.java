package org.sparkfinetune.model.peft;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.errors.UserError;

/**
 * The rank of each module's adapter and the factor before it, {@code alpha / r} or {@code alpha /
 * sqrt(r)} (rsLoRA: Kalajdzievski 2023).
 *
 * @param r LoRA's rank
 * @param alpha {@code lora_alpha}
 * @param useRslora scale by the square root of the rank
 * @param rankPattern other ranks by expressions over the last parts of module names, of which the
 *     first that matches counts (PEFT's {@code get_pattern_key})
 * @param alphaPattern other alphas likewise
 */
public record LoraRanks(
    int r,
    double alpha,
    boolean useRslora,
    Map<String, Integer> rankPattern,
    Map<String, Double> alphaPattern) {

  public LoraRanks {
    rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
    alphaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(alphaPattern));
    checkRank("r", "", r);
    checkAlpha("lora_alpha", "", alpha);
    rankPattern.forEach((name, rank) -> checkRank("rank_pattern", " for " + name, rank));
    alphaPattern.forEach((name, value) -> checkAlpha("alpha_pattern", " for " + name, value));
    rankPattern.keySet().forEach(name -> ModulePattern.compileLastParts("rank_pattern", name));
    alphaPattern.keySet().forEach(name -> ModulePattern.compileLastParts("alpha_pattern", name));
  }

  /** The same for all modules. */
  public static LoraRanks of(int r, double alpha, boolean useRslora) {
    return new LoraRanks(r, alpha, useRslora, Map.of(), Map.of());
  }

  private static void checkRank(String key, String where, int rank) {
    check(rank > 0, key, rank + where, "1 or more");
  }

  private static void checkAlpha(String key, String where, double alpha) {
    check(alpha > 0 && Double.isFinite(alpha), key, alpha + where, "a number above 0");
  }

  static void check(boolean right, String key, Object value, String allowed) {
    if (!right) {
      throw new UserError("%s is %s, expected %s.".formatted(key, value, allowed));
    }
  }

  /**
   * @param module as {@code model.layers.0.self_attn.q_proj}
   */
  public int rank(String module) {
    return first(rankPattern, "rank_pattern", module).orElse(r);
  }

  /** What B(A(x)) of a module is multiplied by. */
  public double scaling(String module) {
    double own = first(alphaPattern, "alpha_pattern", module).orElse(alpha);
    return own / (useRslora ? Math.sqrt(rank(module)) : rank(module));
  }

  /** The largest rank that a pattern or {@code r} names. */
  public int largest() {
    return rankPattern.values().stream().reduce(r, Math::max);
  }

  /** Twice the ranks with the same scaling. */
  LoraRanks doubled() {
    Map<String, Integer> twice = new LinkedHashMap<>();
    rankPattern.forEach((name, rank) -> twice.put(name, 2 * rank));
    Map<String, Double> alphas = new LinkedHashMap<>();
    alphaPattern.forEach((name, own) -> alphas.put(name, 2 * own));
    return new LoraRanks(2 * r, alpha * (useRslora ? Math.sqrt(2) : 2), useRslora, twice, alphas);
  }

  private static <T> Optional<T> first(Map<String, T> patterns, String key, String module) {
    return patterns.entrySet().stream()
        .filter(e -> ModulePattern.compileLastParts(key, e.getKey()).matcher(module).matches())
        .map(Map.Entry::getValue)
        .findFirst();
  }
}
