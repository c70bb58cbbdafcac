package org.sparkfinetune.engine.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.engine.train.StepSchedule.StepRow;

/**
 * Tokens of some rows laid end to end, padding left out: a layer computes them together, and
 * attention stays between two cuts. Their tensors are a little longer, {@link #length}: behind the
 * tokens are rows of zeros, which no token sees and which have no gradient.
 *
 * @param ids (n)
 * @param positions (n)
 * @param targets (n), the id to predict at each position, {@link PackedRow#NOT_TRAINED} for none:
 *     the next token's label if it belongs to the same sample
 * @param cuts first token of each sample, and n at the end
 * @param rows which row each run of tokens came from
 */
record TokenBatch(int[] ids, int[] positions, int[] targets, long[] cuts, List<RowSpan> rows) {

  /**
   * One row's tokens in the batch.
   *
   * @param number the row's in its split
   * @param indexInStep the row's place among all rows of the global step
   */
  record RowSpan(int number, int indexInStep, int from, int count) {}

  int tokens() {
    return ids.length;
  }

  /** N of the batch's tensors. */
  int length() {
    return BufferSizes.padded(tokens());
  }

  int trainedTokens() {
    return trained(0, targets.length);
  }

  /** Those of one sample. */
  int trainedTokens(int sample) {
    return trained((int) cuts[sample], (int) cuts[sample + 1]);
  }

  private int trained(int from, int to) {
    return (int) Arrays.stream(targets, from, to).filter(t -> t != PackedRow.NOT_TRAINED).count();
  }

  /** Positions that are trained. */
  int[] trainedPositions() {
    int[] positions = new int[trainedTokens()];
    int n = 0;
    for (int i = 0; i < targets.length; i++) {
      if (targets[i] != PackedRow.NOT_TRAINED) {
        positions[n++] = i;
      }
    }
    return positions;
  }

  /** What a token may look at. */
  enum Attention {
    WITHIN_SAMPLES,
    /** All before it in the row; positions run on, as in the reference's packing. */
    ACROSS_SAMPLES
  }

  /** Rows in order, as many a batch as fit in {@code maxTokens}; at least one. */
  static List<TokenBatch> of(List<StepRow> rows, int maxTokens, Attention attention) {
    return ConsecutiveRuns.runs(rows, row -> used(row.row()), maxTokens).stream()
        .map(run -> join(run, attention))
        .toList();
  }

  /** Tokens of the row before its padding. */
  private static int used(PackedRow row) {
    int n = row.length();
    while (n > 0 && row.segmentIds()[n - 1] == PackedRow.PADDING) {
      n--;
    }
    return n;
  }

  /** The row as one sample, if attention goes across. */
  private static PackedRow attended(PackedRow row, int used, Attention attention) {
    return switch (attention) {
      case WITHIN_SAMPLES -> row;
      case ACROSS_SAMPLES ->
          new PackedRow(
              row.inputIds(), row.labels(), IntStream.range(0, used).toArray(), new int[used]);
    };
  }

  private static TokenBatch join(List<StepRow> rows, Attention attention) {
    int tokens = rows.stream().mapToInt(row -> used(row.row())).sum();
    int[] ids = new int[tokens];
    int[] positions = new int[tokens];
    int[] targets = new int[tokens];
    List<Long> cuts = new ArrayList<>();
    List<RowSpan> spans = new ArrayList<>();
    int at = 0;
    for (StepRow stepRow : rows) {
      int n = used(stepRow.row());
      PackedRow row = attended(stepRow.row(), n, attention);
      System.arraycopy(row.inputIds(), 0, ids, at, n);
      System.arraycopy(row.positionIds(), 0, positions, at, n);
      for (int t = 0; t < n; t++) {
        boolean begins = t == 0 || row.segmentIds()[t] != row.segmentIds()[t - 1];
        boolean ends = t == n - 1 || row.segmentIds()[t] != row.segmentIds()[t + 1];
        targets[at + t] = ends ? PackedRow.NOT_TRAINED : row.labels()[t + 1];
        if (begins) {
          cuts.add((long) at + t);
        }
      }
      spans.add(new RowSpan(stepRow.number(), stepRow.indexInStep(), at, n));
      at += n;
    }
    cuts.add((long) tokens);
    long[] bounds = cuts.stream().mapToLong(Long::longValue).toArray();
    return new TokenBatch(ids, positions, targets, bounds, List.copyOf(spans));
  }
}
