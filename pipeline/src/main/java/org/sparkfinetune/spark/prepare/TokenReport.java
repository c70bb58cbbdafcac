package org.sparkfinetune.spark.prepare;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Tokens of one split, as training will count them.
 *
 * @param median half of the rows have no more tokens
 * @param p99 all but one in a hundred have no more
 * @param rowsByTokens by powers of two
 * @param sequenceLengths what the configured length does, and what others would
 */
public record TokenReport(
    long tokens,
    int shortest,
    int median,
    int p99,
    int longest,
    List<PrepareReport.LengthRows> rowsByTokens,
    List<SequenceLength> sequenceLengths) {

  /**
   * One length of a row in training.
   *
   * @param packedRows at least so many rows of that length, and hardly more, with packing and
   *     without what is too long
   * @param tooLong rows that do not fit: dropped by default, see training's key {@code overlong}
   * @param tokensDropped tokens of those
   * @param tokensTruncated tokens that {@code overlong: truncate} would cut off instead
   */
  public record SequenceLength(
      int length,
      boolean configured,
      long fitting,
      long packedRows,
      long tooLong,
      long tokensDropped,
      long tokensTruncated) {}

  private static final List<Integer> USUAL = List.of(512, 1024, 2048, 4096, 8192);

  static TokenReport of(TokenStatistics statistics, int configured) {
    TreeSet<Integer> lengths = new TreeSet<>(USUAL);
    lengths.add(configured);
    return new TokenReport(
        statistics.tokens(),
        statistics.quantile(0),
        statistics.quantile(0.5),
        statistics.quantile(0.99),
        statistics.quantile(1),
        histogram(statistics),
        lengths.stream().map(length -> effect(statistics, length, length == configured)).toList());
  }

  private static SequenceLength effect(TokenStatistics statistics, int length, boolean configured) {
    long tokens = statistics.tokensUpTo(length);
    long fitting = statistics.rowsUpTo(length);
    return new SequenceLength(
        length,
        configured,
        fitting,
        (tokens + length - 1) / length,
        statistics.rows() - fitting,
        statistics.tokens() - tokens,
        statistics.tokensBehind(length));
  }

  private static List<PrepareReport.LengthRows> histogram(TokenStatistics statistics) {
    Map<Integer, Long> byLog2 = new TreeMap<>();
    statistics
        .rowsByTokens()
        .forEach((tokens, rows) -> byLog2.merge(SplitStatistics.log2(tokens), rows, Long::sum));
    return PrepareReport.LengthRows.of(byLog2);
  }

  SequenceLength atConfigured() {
    return sequenceLengths.stream().filter(SequenceLength::configured).findFirst().orElseThrow();
  }
}
