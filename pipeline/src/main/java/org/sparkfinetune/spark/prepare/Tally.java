package org.sparkfinetune.spark.prepare;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.sparkfinetune.data.conversation.RejectedRow.RejectionReason;
import org.sparkfinetune.errors.Bug;

/**
 * What one task of the reading pass saw. It travels through the shuffle as a row of its own: exact
 * under retries, which accumulators are not, and known to the driver before anything is written.
 */
final class Tally implements Serializable {
  private static final long serialVersionUID = 1L;

  /** More values than this make no strata. */
  static final int MOST_STRATA = 1000;

  /** How often a reason was met, and the first row that met it. */
  record Count(long rows, Rejection first) implements Serializable {
    Count plus(Count other) {
      boolean mine = first.place().compareTo(other.first.place()) <= 0;
      return new Count(rows + other.rows, mine ? first : other.first);
    }
  }

  /** A split of a file, for the line numbers of the splits behind it. */
  record SplitId(int file, int split) implements Serializable, Comparable<SplitId> {
    private static final Comparator<SplitId> ORDER =
        Comparator.comparingInt(SplitId::file).thenComparingInt(SplitId::split);

    @Override
    public int compareTo(SplitId other) {
      return ORDER.compare(this, other);
    }
  }

  private final Map<Stratum, Long> samples = new TreeMap<>();
  private final Map<RejectionReason, Count> rejected = new EnumMap<>(RejectionReason.class);
  private final Map<SplitId, Long> lines = new HashMap<>();
  private final Map<Integer, String> unreadable = new TreeMap<>();
  private final Map<Integer, Long> rowsByFile = new TreeMap<>();
  private long blankLines;

  /** Rows that were taken of each stratum. */
  void samples(Map<Stratum, Long> rows) {
    rows.forEach(
        (stratum, count) -> {
          if (samples.containsKey(stratum) || !tooManyStrata()) {
            samples.merge(stratum, count, Long::sum);
          }
        });
  }

  /** Then samples were no longer counted, and the job has to say so. */
  boolean tooManyStrata() {
    return tooMany(samples.keySet());
  }

  static boolean tooMany(Set<Stratum> strata) {
    return strata.size() > MOST_STRATA;
  }

  void rejection(Rejection rejection) {
    rejected.merge(rejection.reason(), new Count(1, rejection), Count::plus);
  }

  void row(int file) {
    rowsByFile.merge(file, 1L, Long::sum);
  }

  void endOfSplit(int file, int split, long lineCount, long blank) {
    lines.put(new SplitId(file, split), lineCount);
    blankLines += blank;
  }

  void unreadable(int file, String why) {
    unreadable.putIfAbsent(file, why);
  }

  Map<Stratum, Long> samples() {
    return samples;
  }

  /** The reasons with their first rows, the commonest first. */
  List<Count> commonestReasons() {
    return rejected.values().stream()
        .sorted(
            Comparator.comparingLong(Count::rows)
                .reversed()
                .thenComparing(count -> count.first().reason()))
        .toList();
  }

  Map<SplitId, Long> lines() {
    return lines;
  }

  Map<Integer, String> unreadable() {
    return unreadable;
  }

  long blankLines() {
    return blankLines;
  }

  long rowsOf(int file) {
    return rowsByFile.getOrDefault(file, 0L);
  }

  long rows() {
    return rowsByFile.values().stream().mapToLong(Long::longValue).sum();
  }

  long rejectedRows() {
    return rejected.values().stream().mapToLong(Count::rows).sum();
  }

  void add(Tally other) {
    samples(other.samples);
    other.rejected.forEach((reason, count) -> rejected.merge(reason, count, Count::plus));
    lines.putAll(other.lines);
    other.unreadable.forEach(unreadable::putIfAbsent);
    other.rowsByFile.forEach((file, rows) -> rowsByFile.merge(file, rows, Long::sum));
    blankLines += other.blankLines;
  }

  byte[] encoded() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(this);
    } catch (IOException e) {
      throw new Bug("A tally could not be written to memory.", e);
    }
    return bytes.toByteArray();
  }

  static Tally decoded(byte[] bytes) {
    try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes))) {
      return (Tally) in.readObject();
    } catch (IOException | ClassNotFoundException e) {
      throw new Bug("A tally could not be read from memory.", e);
    }
  }
}
