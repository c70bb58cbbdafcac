package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.TokenCounter;

/**
 * How many rows of a split have how many tokens, exactly: what any sequence length does to them
 * follows from it. Rows wait until there are enough of them, since tokenizers are faster with many.
 */
final class TokenStatistics implements Serializable {
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

  void add(TokenStatistics other) {
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
