package org.sparkfinetune.inference.generate;

import java.util.Arrays;
import java.util.BitSet;
import java.util.SplittableRandom;
import org.sparkfinetune.inference.generate.GenerationSettings.Sampled;
import org.sparkfinetune.inference.generate.Kernels.FastestKernels;

/**
 * Chooses the tokens of one sequence, in the order of transformers' logits processors. Its random
 * numbers are a function of the seed and the sequence alone.
 */
final class Sampler {
  private final GenerationSettings settings;
  private final BitSet seen = new BitSet();
  private final SplittableRandom random;

  /**
   * @param sequence tells apart sequences of the same seed
   */
  Sampler(GenerationSettings settings, long sequence, int[] prompt) {
    this.settings = settings;
    long seed = settings.choice() instanceof Sampled sampled ? sampled.seed() : 0;
    this.random = new SplittableRandom(new SplittableRandom(seed).nextLong() ^ mix(sequence));
    for (int token : prompt) {
      seen.set(token);
    }
  }

  private static long mix(long sequence) {
    return new SplittableRandom(sequence).nextLong();
  }

  /** The next token; logits {@code [at, at + count)} are changed. */
  int next(float[] logits, int at, int count) {
    penalise(logits, at);
    int token =
        settings.choice() instanceof Sampled sampled
            ? draw(probabilities(logits, at, count, sampled))
            : FastestKernels.KERNELS.largest(logits, at, count);
    seen.set(token);
    return token;
  }

  private void penalise(float[] logits, int at) {
    float penalty = (float) settings.repetitionPenalty();
    if (penalty != 1) {
      seen.stream()
          .forEach(
              token ->
                  logits[at + token] =
                      logits[at + token] < 0
                          ? logits[at + token] * penalty
                          : logits[at + token] / penalty);
    }
  }

  /** Tokens from the most likely down, and their probabilities. */
  @SuppressWarnings("ArrayRecordComponent")
  record Kept(int[] tokens, double[] probabilities) {}

  static Kept probabilities(float[] logits, int at, int count, Sampled sampled) {
    float temperature = (float) sampled.temperature();
    long[] order = new long[count];
    for (int i = 0; i < count; i++) {
      // Sorts by the logit downwards, then by the token.
      int bits = Float.floatToIntBits(logits[at + i] / temperature + 0f);
      int ascending = bits ^ ((bits >> 31) & 0x7fffffff);
      order[i] = ((long) ~ascending << 32) | i;
    }
    Arrays.sort(order);
    int kept = sampled.topK() == 0 ? count : Math.min(sampled.topK(), count);
    double[] weights = weights(logits, at, temperature, order, kept);
    if (sampled.topP() < 1) {
      kept = nucleus(weights, kept, sampled.topP());
    }
    return normalised(order, weights, kept);
  }

  private static double[] weights(
      float[] logits, int at, float temperature, long[] order, int kept) {
    double[] weights = new double[kept];
    float max = logits[at + (int) order[0]] / temperature;
    for (int i = 0; i < kept; i++) {
      weights[i] = Math.exp(logits[at + (int) order[i]] / temperature - max);
    }
    return weights;
  }

  /** As transformers: a token goes if it and all less likely ones have at most 1 - top_p. */
  private static int nucleus(double[] weights, int count, double topP) {
    double all = Arrays.stream(weights, 0, count).sum();
    double tail = 0;
    int kept = count;
    while (kept > 1 && (tail + weights[kept - 1]) / all <= 1 - topP) {
      tail += weights[--kept];
    }
    return kept;
  }

  private static Kept normalised(long[] order, double[] weights, int kept) {
    double sum = Arrays.stream(weights, 0, kept).sum();
    int[] tokens = new int[kept];
    double[] probabilities = new double[kept];
    for (int i = 0; i < kept; i++) {
      tokens[i] = (int) order[i];
      probabilities[i] = weights[i] / sum;
    }
    return new Kept(tokens, probabilities);
  }

  private int draw(Kept kept) {
    double left = random.nextDouble();
    for (int i = 0; i < kept.tokens().length; i++) {
      left -= kept.probabilities()[i];
      if (left < 0) {
        return kept.tokens()[i];
      }
    }
    return kept.tokens()[0];
  }
}
