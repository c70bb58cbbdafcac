package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.EncodedConversation;
import org.sparkfinetune.data.conversation.MessageJson;
import org.sparkfinetune.spark.dataset.RowsHash;

/** What the report says of one split; made by each task, added up by the driver in order. */
final class SplitStatistics implements Serializable {
  private static final long serialVersionUID = 1L;
  private static final int EXTREMES = 5;
  static final int SHOWN = 10;

  private static final Comparator<PrepareReport.Extreme> BY_LENGTH =
      Comparator.comparingLong(PrepareReport.Extreme::characters)
          .thenComparing(PrepareReport.Extreme::id);

  private final RowsHash hash = new RowsHash();
  private long rows;
  private long characters;
  private final Map<Integer, Long> byTurns = new TreeMap<>();
  private final Map<Integer, Long> byCharactersLog2 = new TreeMap<>();
  private List<PrepareReport.Extreme> shortest = new ArrayList<>();
  private List<PrepareReport.Extreme> longest = new ArrayList<>();
  private final List<PrepareReport.ShownSample> shown = new ArrayList<>();
  private final TokenReport.Counts tokens = new TokenReport.Counts();

  void add(String id, byte[] digest, EncodedConversation sample) {
    hash.add(digest);
    int[] turns = new int[1];
    long[] length = new long[1];
    sample.forEach(
        (role, bytes, start, count, extras) -> {
          turns[0]++;
          length[0] += characters(bytes, start, start + count);
        });
    rows++;
    characters += length[0];
    byTurns.merge(turns[0], 1L, Long::sum);
    byCharactersLog2.merge(log2(length[0]), 1L, Long::sum);
    addExtreme(id, length[0], sample);
    if (shown.size() < SHOWN) {
      shown.add(shown(id, sample.conversation()));
    }
  }

  private static PrepareReport.ShownSample shown(String id, Conversation conversation) {
    return new PrepareReport.ShownSample(
        id,
        conversation.messages().stream()
            .map(message -> new PrepareReport.ShownMessage(message.role().text(), said(message)))
            .toList());
  }

  /** The content, or for a turn that only calls tools these calls. */
  private static String said(Message message) {
    return message.content().isEmpty() && !message.extras().isNone()
        ? MessageJson.extras(message.extras()).toString()
        : message.content();
  }

  /** Characters as Unicode counts them: bytes that do not go on with one. */
  private static int characters(byte[] utf8, int start, int end) {
    int count = 0;
    for (int at = start; at < end; at++) {
      count += (utf8[at] & 0xc0) != 0x80 ? 1 : 0;
    }
    return count;
  }

  /** 0 for 0 and 1, 1 for 2 and 3, 2 for 4 to 7… */
  static int log2(long length) {
    return 63 - Long.numberOfLeadingZeros(Math.max(1, length));
  }

  private void addExtreme(String id, long length, EncodedConversation sample) {
    boolean isShort =
        shortest.size() < EXTREMES || length <= shortest.get(shortest.size() - 1).characters();
    boolean isLong =
        longest.size() < EXTREMES || length >= longest.get(longest.size() - 1).characters();
    if (!isShort && !isLong) {
      return;
    }
    List<Message> messages = sample.conversation().messages();
    PrepareReport.Extreme extreme =
        new PrepareReport.Extreme(
            id, length, Utf8.excerpt(said(messages.get(messages.size() - 1))));
    if (isShort) {
      shortest = kept(shortest, List.of(extreme), BY_LENGTH);
    }
    if (isLong) {
      longest = kept(longest, List.of(extreme), BY_LENGTH.reversed());
    }
  }

  private static List<PrepareReport.Extreme> kept(
      List<PrepareReport.Extreme> some,
      List<PrepareReport.Extreme> more,
      Comparator<PrepareReport.Extreme> order) {
    List<PrepareReport.Extreme> all = new ArrayList<>(some);
    all.addAll(more);
    all.sort(order);
    return new ArrayList<>(all.subList(0, Math.min(EXTREMES, all.size())));
  }

  void add(SplitStatistics later) {
    hash.append(later.hash);
    rows += later.rows;
    characters += later.characters;
    later.byTurns.forEach((turns, count) -> byTurns.merge(turns, count, Long::sum));
    later.byCharactersLog2.forEach((log, count) -> byCharactersLog2.merge(log, count, Long::sum));
    tokens.add(later.tokens);
    shortest = kept(shortest, later.shortest, BY_LENGTH);
    longest = kept(longest, later.longest, BY_LENGTH.reversed());
    shown.addAll(later.shown.subList(0, Math.min(later.shown.size(), SHOWN - shown.size())));
  }

  TokenReport.Counts tokens() {
    return tokens;
  }

  RowsHash hash() {
    return hash;
  }

  long rows() {
    return rows;
  }

  long characters() {
    return characters;
  }

  Map<Integer, Long> byTurns() {
    return byTurns;
  }

  Map<Integer, Long> byCharactersLog2() {
    return byCharactersLog2;
  }

  List<PrepareReport.Extreme> shortest() {
    return shortest;
  }

  List<PrepareReport.Extreme> longest() {
    return longest;
  }

  List<PrepareReport.ShownSample> shown() {
    return shown;
  }
}
