package org.sparkfinetune.inference.generate;

import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.model.family.DecoderConfig;

/** Logits of normalised hidden states, and the losses of tokens that came next. */
final class Head {
  /** Logits that are computed at a time for losses. */
  private static final int MAX_LOGITS = 1 << 24;

  private static final int MAX_COLUMNS = 128;

  /** Exponentials that are summed in float32. */
  private static final int SUMMED = 1024;

  private final DecodingModel model;
  private final DecoderConfig config;
  private final Kernels kernels;
  private final SpinningPool pool;
  private final LinearMath linears;
  private final GrowingFloats logits = new GrowingFloats();

  Head(DecodingModel model, Kernels kernels, SpinningPool pool, LinearMath linears) {
    this.model = model;
    this.config = model.config();
    this.kernels = kernels;
    this.pool = pool;
    this.linears = linears;
  }

  /**
   * @param hidden (n, H)
   * @return (n, vocabulary), until the next call
   */
  float[] logits(float[] hidden, int n) {
    int count = n * config.vocabSize();
    float[] logits = this.logits.of(count);
    linears.apply(List.of(model.head()), hidden, n, List.of(logits));
    float scale = (float) config.family().scales().logits();
    double cap = config.family().softCaps().logits();
    for (int i = 0; i < count && (scale != 1 || cap > 0); i++) {
      logits[i] = capped(logits[i] * scale, cap);
    }
    return logits;
  }

  /** A soft cap, 0 for none. */
  static float capped(float x, double cap) {
    return cap > 0 ? (float) (cap * Math.tanh(x / cap)) : x;
  }

  /**
   * @param hidden (next.length, H) or more
   * @return minus the log-probability of each {@code next}
   */
  double[] losses(float[] hidden, int[] next) {
    int h = config.hiddenSize();
    int vocabulary = config.vocabSize();
    double[] losses = new double[next.length];
    int chunk = Math.max(1, Math.min(MAX_COLUMNS, MAX_LOGITS / vocabulary));
    for (int from = 0; from < next.length; from += chunk) {
      int first = from;
      int n = Math.min(chunk, next.length - from);
      float[] logits = logits(Arrays.copyOfRange(hidden, from * h, (from + n) * h), n);
      pool.run(n, i -> losses[first + i] = loss(logits, i * vocabulary, next[first + i]));
    }
    return losses;
  }

  private double loss(float[] logits, int at, int target) {
    int vocabulary = config.vocabSize();
    float logit = logits[at + target];
    float max = kernels.scaled(logits, at, vocabulary, 1);
    double sum = 0;
    for (int from = 0; from < vocabulary; from += SUMMED) {
      int count = Math.min(SUMMED, vocabulary - from);
      sum += kernels.exponentials(logits, at + from, count, max);
    }
    return Math.log(sum) + max - logit;
  }
}
