package org.sparkfinetune.engine.train;

import java.nio.FloatBuffer;
import java.util.Arrays;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;

/**
 * NEFTune (Jain et al. 2023, arXiv:2310.05914): in training each number of what goes into the first
 * layer gets noise, uniform between -+ alpha / sqrt(L H), L tokens of its sample. transformers
 * takes for L the padded length of the batch; a sample's own length, as in the paper, is the same
 * however rows are packed.
 *
 * <p>The noise is a function of (seed, step, row within the global step, token, feature) alone, as
 * {@link DropoutMasks} are: neither ranks nor micro-batches change it, and a run that goes on sees
 * it again.
 */
final class EmbeddingNoise {
  private static final int STRIDE = 0x9E3779B1;

  /** No layer has it: what else is drawn for a row has another key. */
  private static final long KEY = -1;

  private static final float UNIT = 1f / (1 << 23);

  private final double alpha;
  private final long seed;

  /**
   * @param alpha 0 for no noise
   */
  EmbeddingNoise(double alpha, long seed) {
    this.alpha = alpha;
    this.seed = seed;
  }

  /**
   * Embeddings with their noise.
   *
   * @param x (N, H); what is behind the batch's tokens stays as it is
   */
  Tensor added(Scope scope, Ops ops, Tensor x, TokenBatch batch, long step) {
    if (alpha == 0) {
      return x;
    }
    int width = Math.toIntExact(x.size(1));
    TokenNoise[] tokens = tokens(batch, step, width);
    try (Scope local = scope.child()) {
      Tensor noise = ops.zeros(local, ElementType.FLOAT32, x.size(0), width);
      ops.hostMemory()
          .write(
              ops.flat(local, noise),
              (first, bytes) -> write(tokens, width, first, bytes.asFloatBuffer()));
      ops.add(local, x, ops.cast(local, noise, x.type()));
    }
    return x;
  }

  /**
   * What a token's noise is drawn with.
   *
   * @param counter of its first number under the key of its row
   * @param most what no number is beyond
   */
  private record TokenNoise(long key, int counter, float most) {}

  /** Of each token. */
  private TokenNoise[] tokens(TokenBatch batch, long step, int width) {
    float[] most = new float[batch.tokens()];
    for (int sample = 0; sample + 1 < batch.cuts().length; sample++) {
      int from = Math.toIntExact(batch.cuts()[sample]);
      int to = Math.toIntExact(batch.cuts()[sample + 1]);
      Arrays.fill(most, from, to, (float) (alpha / Math.sqrt((double) (to - from) * width)));
    }
    TokenNoise[] tokens = new TokenNoise[batch.tokens()];
    for (TokenBatch.RowSpan span : batch.rows()) {
      long key = DropoutMasks.key(seed, step, span.indexInStep(), KEY, 0);
      for (int token = 0; token < span.count(); token++) {
        int at = span.from() + token;
        tokens[at] = new TokenNoise(key, token * width, most[at]);
      }
    }
    return tokens;
  }

  /** Fills {@code out} with the numbers from {@code first} on; zeros behind the last token. */
  private static void write(TokenNoise[] tokens, int width, long first, FloatBuffer out) {
    float[] values = new float[width];
    long at = first;
    while (out.hasRemaining() && at / width < tokens.length) {
      fill(values, tokens[(int) (at / width)]);
      int from = (int) (at % width);
      int count = Math.min(width - from, out.remaining());
      out.put(values, from, count);
      at += count;
    }
  }

  /**
   * Numbers of [-1, 1), times {@code most}: the upper 24 bits of MurmurHash3's finaliser over a
   * counter and the key.
   */
  private static void fill(float[] values, TokenNoise token) {
    int low = (int) token.key();
    int high = (int) (token.key() >>> 32);
    for (int i = 0; i < values.length; i++) {
      int x = (token.counter() + i) * STRIDE + low ^ high;
      x ^= x >>> 16;
      x *= 0x85EBCA6B;
      x ^= x >>> 13;
      x *= 0xC2B2AE35;
      x ^= x >>> 16;
      values[i] = (x >> 8) * UNIT * token.most();
    }
  }
}
