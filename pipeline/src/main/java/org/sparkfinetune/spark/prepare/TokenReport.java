package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.TokenCounter;

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

  static TokenReport of(Counts statistics, int configured) {
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

  private static SequenceLength effect(Counts statistics, int length, boolean configured) {
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

  private static List<PrepareReport.LengthRows> histogram(Counts statistics) {
    Map<Integer, Long> byLog2 = new TreeMap<>();
    statistics
        .rowsByTokens()
        .forEach((tokens, rows) -> byLog2.merge(SplitStatistics.log2(tokens), rows, Long::sum));
    return PrepareReport.LengthRows.of(byLog2);
  }

  SequenceLength atConfigured() {
    return sequenceLengths.stream().filter(SequenceLength::configured).findFirst().orElseThrow();
  }

  /**
   * How many rows of a split have how many tokens, exactly: what any sequence length does to them
   * follows from it. Rows wait until there are enough of them, since tokenizers are faster with
   * many.
   */
  static final class Counts implements Serializable {
    private static final long serialVersionUID = 1L;
    private static final int BATCH = 128;

    private final TreeMap<Integer, Long> rowsByTokens = new TreeMap<>();
    private final transient List<Conversation> waiting = new ArrayList<>();

    void add(Conversation conversation, TokenCounter counter) {
      waiting.add(conversation);
      if (waiting.size() == BATCH) {
        flush(counter);
      }
    }

    /** To be called behind the last row, before this travels. */
    void flush(TokenCounter counter) {
      if (!waiting.isEmpty()) {
        for (int tokens : counter.count(waiting)) {
          rowsByTokens.merge(tokens, 1L, Long::sum);
        }
        waiting.clear();
      }
    }

    void add(Counts other) {
      other.rowsByTokens.forEach((tokens, rows) -> rowsByTokens.merge(tokens, rows, Long::sum));
    }

    Map<Integer, Long> rowsByTokens() {
      return rowsByTokens;
    }

    long rows() {
      return rowsByTokens.values().stream().mapToLong(Long::longValue).sum();
    }

    long tokens() {
      return tokensUpTo(Integer.MAX_VALUE);
    }

    /** Tokens of the rows that have no more than {@code length} of them. */
    long tokensUpTo(int length) {
      return rowsByTokens.headMap(length, true).entrySet().stream()
          .mapToLong(entry -> entry.getKey() * entry.getValue())
          .sum();
    }

    long rowsUpTo(int length) {
      return rowsByTokens.headMap(length, true).values().stream().mapToLong(Long::longValue).sum();
    }

    /** Tokens behind the first {@code length} of each row. */
    long tokensBehind(int length) {
      return rowsByTokens.tailMap(length, false).entrySet().stream()
          .mapToLong(entry -> (entry.getKey() - length) * entry.getValue())
          .sum();
    }

    /** The fewest tokens that {@code share} of the rows do not go beyond; 0 if there are none. */
    int quantile(double share) {
      long wanted = (long) Math.ceil(share * rows());
      long seen = 0;
      for (Map.Entry<Integer, Long> entry : rowsByTokens.entrySet()) {
        seen += entry.getValue();
        if (seen >= wanted) {
          return entry.getKey();
        }
      }
      return 0;
    }
  }
}
