package org.sparkfinetune.inference.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.model.family.DecoderConfig;

/**
 * Causal attention of new tokens to what their sequences' caches hold. Some columns of a sequence
 * and the query heads that share a key head are computed together; a column's numbers do not depend
 * on which.
 */
final class Attention {
  /** Columns of a sequence that pass over its keys together. */
  private static final int COLUMNS = 8;

  private final DecoderConfig config;
  private final Kernels kernels;
  private final SpinningPool pool;
  private final int headDim;
  private final int group;
  private final int queryWidth;

  Attention(DecoderConfig config, Kernels kernels, SpinningPool pool) {
    this.config = config;
    this.kernels = kernels;
    this.pool = pool;
    this.headDim = config.headDim();
    this.group = config.numAttentionHeads() / config.numKeyValueHeads();
    this.queryWidth = Math.toIntExact(config.queryWidth());
  }

  /**
   * Neighbouring columns of one sequence, whose keys and values are in its cache.
   *
   * @param column the first, among all
   * @param position of the first
   */
  private record Run(KeyValueCache cache, int column, int position, int columns) {}

  /**
   * @param q (n, queries)
   * @param attended receives (n, queries)
   */
  void attend(int layer, List<Decoder.Input> inputs, float[] q, float[] attended) {
    List<Run> runs = new ArrayList<>();
    long work = 0;
    int column = 0;
    for (Decoder.Input input : inputs) {
      int length = input.tokens().length;
      for (int from = 0; from < length; from += COLUMNS) {
        int columns = Math.min(COLUMNS, length - from);
        int position = input.sequence().length() + from;
        runs.add(new Run(VectorDecoder.cache(input), column + from, position, columns));
        work += (long) columns * (position + columns);
      }
      column += length;
    }
    int heads = config.numKeyValueHeads();
    int units = runs.size() * heads;
    // Waking threads costs more than a short context.
    int parts = work * queryWidth < 1 << 18 ? 1 : Math.min(units, 8 * pool.threads());
    pool.run(
        parts,
        part -> {
          int from = (int) ((long) units * part / parts);
          int to = (int) ((long) units * (part + 1) / parts);
          for (int unit = from; unit < to; unit++) {
            head(layer, runs.get(unit / heads), unit % heads, q, attended);
          }
        });
  }

  /** A row is a query: of each column in turn the heads of the group. */
  private void head(int layer, Run run, int keyHead, float[] q, float[] attended) {
    ThreadBuffers buffers = ThreadBuffers.ofThisThread();
    int rows = run.columns() * group;
    int window = config.layers().get(layer).window();
    int firstBlock = low(window, run.position()) / Kernels.PANEL;
    int start = firstBlock * Kernels.PANEL;
    int end = run.position() + run.columns();
    int blocks = (end - 1) / Kernels.PANEL + 1 - firstBlock;
    int stride = blocks * Kernels.PANEL;

    float[] queries = buffers.queries(rows * headDim);
    int own = group * headDim;
    for (int t = 0; t < run.columns(); t++) {
      int from = (run.column() + t) * queryWidth + keyHead * own;
      System.arraycopy(q, from, queries, t * own, own);
    }
    float[] scores = buffers.scores(rows * stride);
    float[] keys = run.cache().keys(layer);
    for (int block = 0; block < blocks; block++) {
      int at = run.cache().keysAt(firstBlock + block, keyHead);
      int to = block * Kernels.PANEL;
      kernels.product(
          keys, at, headDim, Kernels.PANEL, queries, 0, headDim, rows, scores, to, stride, false);
    }
    for (int row = 0; row < rows; row++) {
      int position = run.position() + row / group;
      int low = low(window, position) - start;
      probabilities(scores, row * stride, low, position + 1 - start, end - start);
    }
    float[] results = buffers.results(rows * headDim);
    float[] values = run.cache().values(layer);
    for (int i = 0; i < headDim; i += Kernels.PANEL) {
      int at = run.cache().valuesAt(keyHead, i / Kernels.PANEL, start);
      int some = Math.min(Kernels.PANEL, headDim - i);
      kernels.product(
          values, at, end - start, some, scores, 0, stride, rows, results, i, headDim, false);
    }
    for (int t = 0; t < run.columns(); t++) {
      int to = (run.column() + t) * queryWidth + keyHead * own;
      System.arraycopy(results, t * own, attended, to, own);
    }
  }

  /** The first position that one sees. */
  private static int low(int window, int position) {
    return window == 0 ? 0 : Math.max(0, position - window + 1);
  }

  /** Softmax of scores {@code [from, to)}; zero on the rest of {@code [0, end)}. */
  private void probabilities(float[] scores, int at, int from, int to, int end) {
    int first = at + from;
    int count = to - from;
    float max = kernels.scaled(scores, first, count, (float) config.attentionScale());
    double cap = config.family().softCaps().attention();
    if (cap > 0) {
      max = Float.NEGATIVE_INFINITY;
      for (int i = first; i < first + count; i++) {
        scores[i] = Head.capped(scores[i], cap);
        max = Math.max(max, scores[i]);
      }
    }
    float sum = kernels.exponentials(scores, first, count, max);
    kernels.scaled(scores, first, count, 1 / sum);
    Arrays.fill(scores, at, first, 0);
    Arrays.fill(scores, first + count, at + end, 0);
  }
}
