package org.sparkfinetune.config;

import java.util.List;

/**
 * How tokens are chosen and where an answer ends.
 *
 * @param topK 0: all
 * @param batchSize answers that are decoded together
 */
public record Sampling(
    int maxNewTokens,
    boolean doSample,
    double temperature,
    double topP,
    int topK,
    double repetitionPenalty,
    List<String> stop,
    long seed,
    int batchSize) {
  public Sampling {
    DecodingKeys.MAX_NEW_TOKENS.check(maxNewTokens);
    DecodingKeys.TEMPERATURE.check(temperature);
    DecodingKeys.TOP_P.check(topP);
    DecodingKeys.TOP_K.check(topK);
    DecodingKeys.REPETITION_PENALTY.check(repetitionPenalty);
    stop = List.copyOf(DecodingKeys.STOP.check(stop));
    DecodingKeys.SEED.check(seed);
    DecodingKeys.BATCH_SIZE.check(batchSize);
  }

  /** The most likely token each time. */
  public static Sampling greedy(int maxNewTokens, int batchSize) {
    return new Sampling(maxNewTokens, false, 0.6, 0.9, 0, 1, List.of(), 42, batchSize);
  }
}
