package org.sparkfinetune.engine.train;

import java.nio.FloatBuffer;
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
    try (Scope local = scope.child()) {
      Tensor noise = ops.zeros(local, ElementType.FLOAT32, x.size(0), width);
      float[] values = values(batch, width, step);
      ops.hostMemory()
          .write(
              ops.flat(local, noise), (first, bytes) -> put(values, first, bytes.asFloatBuffer()));
      ops.add(local, x, ops.cast(local, noise, x.type()));
    }
    return x;
  }

  private static void put(float[] values, long first, FloatBuffer to) {
    int from = (int) Math.min(first, values.length);
    to.put(values, from, Math.min(to.remaining(), values.length - from));
  }

  /** (n, H) of all tokens of a batch. */
  float[] values(TokenBatch batch, int width, long step) {
    float[] values = new float[Math.multiplyExact(batch.tokens(), width)];
    for (TokenBatch.RowSpan row : batch.rows()) {
      long key = DropoutMasks.key(seed, step, row.indexInStep(), KEY, 0);
      write(values, row.from() * width, row.count() * width, key);
    }
    for (int sample = 0; sample + 1 < batch.cuts().length; sample++) {
      int from = Math.toIntExact(batch.cuts()[sample]);
      int to = Math.toIntExact(batch.cuts()[sample + 1]);
      float most = (float) (alpha / Math.sqrt((double) (to - from) * width));
      for (int i = from * width; i < to * width; i++) {
        values[i] *= most;
      }
    }
    return values;
  }

  /**
   * Numbers of [-1, 1): the upper 24 bits of MurmurHash3's finaliser over a counter and the key.
   */
  private static void write(float[] out, int from, int count, long key) {
    int low = (int) key;
    int high = (int) (key >>> 32);
    for (int i = 0; i < count; i++) {
      int x = i * STRIDE + low ^ high;
      x ^= x >>> 16;
      x *= 0x85EBCA6B;
      x ^= x >>> 13;
      x *= 0xC2B2AE35;
      x ^= x >>> 16;
      out[from + i] = (x >> 8) * UNIT;
    }
  }
}
