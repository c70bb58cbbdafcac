package org.sparkfinetune.inference.generate;

import java.io.Serializable;
import java.util.Set;
import org.sparkfinetune.errors.UserError;

/**
 * How tokens are chosen, with transformers' names and meaning.
 *
 * @param maxNewTokens at most so many
 * @param choice greedy, or drawn
 * @param repetitionPenalty logits of tokens seen before are divided by it, or multiplied if
 *     negative; 1: none (Keskar et al. 2019, section 4.1)
 * @param stopIds tokens that end the text; they are not part of it
 */
public record GenerationSettings(
    int maxNewTokens, Choice choice, double repetitionPenalty, Set<Integer> stopIds)
    implements Serializable {
  private static final int MOST_ROOM = 512;

  /** How the next token follows from the logits. */
  public sealed interface Choice extends Serializable {}

  /** The most likely one; the first of equals. */
  public record Greedy() implements Choice {}

  /**
   * Drawn from what temperature, then top_k, then top_p leave.
   *
   * @param topK 0: all
   * @param topP 1: all
   */
  public record Sampled(double temperature, int topK, double topP, long seed) implements Choice {
    public Sampled {
      check(temperature > 0, "temperature", temperature, "above 0; do_sample false is greedy");
      check(topK >= 0, "top_k", topK, "0 (all) or more");
      check(topP > 0 && topP <= 1, "top_p", topP, "above 0 and at most 1");
    }
  }

  public GenerationSettings {
    stopIds = Set.copyOf(stopIds);
    check(maxNewTokens > 0, "max_new_tokens", maxNewTokens, "1 or more");
    check(repetitionPenalty > 0, "repetition_penalty", repetitionPenalty, "above 0");
  }

  /**
   * Room for an answer where nobody says how much: twice the longest that is expected.
   *
   * @param longest tokens
   */
  public static int room(int longest) {
    return Math.max(1, Math.min(MOST_ROOM, 2 * longest));
  }

  /** The most likely token each time. */
  public static GenerationSettings greedy(int maxNewTokens, Set<Integer> stopIds) {
    return new GenerationSettings(maxNewTokens, new Greedy(), 1, stopIds);
  }

  private static void check(boolean right, String key, Object value, String allowed) {
    if (!right) {
      throw new UserError("%s is %s, allowed: %s.".formatted(key, value, allowed));
    }
  }
}
