package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;

/** What the report says of one split; made by each task, added up by the driver in order. */
final class SplitStatistics implements Serializable {
  private static final long serialVersionUID = 1L;
  private static final int EXTREMES = 5;
  static final int SHOWN = 10;

  /** A sample at either end of the lengths. */
  record Extreme(String id, long characters, String excerpt) implements Serializable {}

  /** A sample to be shown whole; its messages as plain texts, since records of Spark's travel. */
  record HumanReadable(String id, List<String[]> messages) implements Serializable {}

  private static final Comparator<Extreme> BY_LENGTH =
      Comparator.comparingLong(Extreme::characters).thenComparing(Extreme::id);

  private long rows;
  private long jsonBytes;
  private long characters;
  private final Map<Integer, Long> byTurns = new TreeMap<>();
  private final Map<Integer, Long> byCharactersLog2 = new TreeMap<>();
  private List<Extreme> shortest = new ArrayList<>();
  private List<Extreme> longest = new ArrayList<>();
  private final List<HumanReadable> shown = new ArrayList<>();
  private final TokenStatistics tokens = new TokenStatistics();

  void add(String id, Sample sample) {
    int[] turns = new int[1];
    long[] length = new long[1];
    sample.forEach(
        (role, bytes, start, count) -> {
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

  private static HumanReadable shown(String id, Conversation conversation) {
    return new HumanReadable(
        id,
        conversation.messages().stream()
            .map(message -> new String[] {message.role().text(), message.content()})
            .toList());
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

  private void addExtreme(String id, long length, Sample sample) {
    boolean isShort =
        shortest.size() < EXTREMES || length <= shortest.get(shortest.size() - 1).characters();
    boolean isLong =
        longest.size() < EXTREMES || length >= longest.get(longest.size() - 1).characters();
    if (!isShort && !isLong) {
      return;
    }
    List<Message> messages = sample.conversation().messages();
    Extreme extreme =
        new Extreme(id, length, Excerpt.of(messages.get(messages.size() - 1).content()));
    if (isShort) {
      shortest = kept(shortest, List.of(extreme), BY_LENGTH);
    }
    if (isLong) {
      longest = kept(longest, List.of(extreme), BY_LENGTH.reversed());
    }
  }

  private static List<Extreme> kept(
      List<Extreme> some, List<Extreme> more, Comparator<Extreme> order) {
    List<Extreme> all = new ArrayList<>(some);
    all.addAll(more);
    all.sort(order);
    return new ArrayList<>(all.subList(0, Math.min(EXTREMES, all.size())));
  }

  void addJsonBytes(long bytes) {
    jsonBytes += bytes;
  }

  void add(SplitStatistics later) {
    rows += later.rows;
    jsonBytes += later.jsonBytes;
    characters += later.characters;
    later.byTurns.forEach((turns, count) -> byTurns.merge(turns, count, Long::sum));
    later.byCharactersLog2.forEach((log, count) -> byCharactersLog2.merge(log, count, Long::sum));
    tokens.add(later.tokens);
    shortest = kept(shortest, later.shortest, BY_LENGTH);
    longest = kept(longest, later.longest, BY_LENGTH.reversed());
    shown.addAll(later.shown.subList(0, Math.min(later.shown.size(), SHOWN - shown.size())));
  }

  TokenStatistics tokens() {
    return tokens;
  }

  long rows() {
    return rows;
  }

  long jsonBytes() {
    return jsonBytes;
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

  List<Extreme> shortest() {
    return shortest;
  }

  List<Extreme> longest() {
    return longest;
  }

  List<HumanReadable> shown() {
    return shown;
  }
}
