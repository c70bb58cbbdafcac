package org.sparkfinetune.spark.prepare;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.Source;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.RejectedRow.RejectionReason;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.ExtraColumn;
import org.sparkfinetune.spark.prepare.Selection.Stratum;

/**
 * What one task of the reading pass saw. It travels through the shuffle as a row of its own: exact
 * under retries, which accumulators are not, and known to the driver before anything is written. A
 * {@code groupBy} would read all rows a second time.
 */
final class ReadCounts implements Serializable {
  private static final long serialVersionUID = 1L;

  /** More values than this make no strata. */
  static final int MOST_STRATA = 1000;

  /** How often a reason was met, and the first row that met it. */
  record Count(long rows, DeadLetterRow first) implements Serializable {
    Count plus(Count other) {
      boolean firstHere = first.position().compareTo(other.first.position()) <= 0;
      return new Count(rows + other.rows, firstHere ? first : other.first);
    }
  }

  private final Map<Stratum, Long> samples = new TreeMap<>();
  private final Map<RejectionReason, Count> rejected = new EnumMap<>(RejectionReason.class);
  private final Map<TextSplit.Id, Long> lines = new HashMap<>();
  private final Map<Integer, String> unreadable = new TreeMap<>();
  private final Map<Integer, Long> rowsByFile = new TreeMap<>();
  private final Set<ExtraColumn> columns = EnumSet.noneOf(ExtraColumn.class);
  private final Map<String, Long> excluded = new TreeMap<>();
  private long blankLines;
  private long toolRows;
  private long untrainedTurns;

  /** What a row that was taken has besides plain messages. */
  void extras(Conversation conversation) {
    Set<ExtraColumn> own = ExtraColumn.of(conversation);
    columns.addAll(own);
    toolRows += own.contains(ExtraColumn.TOOL_CALLS) ? 1 : 0;
    if (own.contains(ExtraColumn.WEIGHT)) {
      untrainedTurns +=
          conversation.messages().stream().filter(m -> m.extras().untrained()).count();
    }
  }

  /** The columns that the data set needs besides its usual ones. */
  Set<ExtraColumn> columns() {
    return columns;
  }

  /** A conversation that the user wants left out. */
  void excluded(String name) {
    excluded.merge(name, 1L, Long::sum);
  }

  /** How many rows were left out of each text. */
  Map<String, Long> excluded() {
    return excluded;
  }

  long excludedRows() {
    return excluded.values().stream().mapToLong(Long::longValue).sum();
  }

  /** Conversations in which a tool is called. */
  long toolRows() {
    return toolRows;
  }

  /** Turns of weight 0. */
  long untrainedTurns() {
    return untrainedTurns;
  }

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

  void rejection(DeadLetterRow rejection) {
    rejected.merge(rejection.reason(), new Count(1, rejection), Count::plus);
  }

  void row(int file) {
    rowsByFile.merge(file, 1L, Long::sum);
  }

  void endOfSplit(TextSplit.Id split, long lineCount, long blank) {
    lines.put(split, lineCount);
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

  TextSplit.LineNumbers lineNumbers() {
    return TextSplit.LineNumbers.of(lines);
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

  long rowsOf(List<InputFile> files) {
    return files.stream().mapToLong(file -> rowsOf(file.index())).sum();
  }

  long rows() {
    return rowsByFile.values().stream().mapToLong(Long::longValue).sum();
  }

  long rejectedRows() {
    return rejected.values().stream().mapToLong(Count::rows).sum();
  }

  /** Decides, before anything is written, whether the job may go on. */
  record Check(List<InputFile> files, ReadCounts counts) {
    private static final int REASONS_NAMED = 3;

    /**
     * @throws UserError if a file or too many rows cannot be taken
     */
    void check(PrepareConfig config) {
      checkReadable();
      if (counts.tooManyStrata()) {
        throw new UserError(
            "stratify_by: '%s' has more than %s different values. Name a column of categories."
                .formatted(config.stratifyBy().orElse(""), MOST_STRATA));
      }
      List<Source> sources = config.read();
      for (int i = 0; i < sources.size(); i++) {
        checkRows(InputFile.Origin.INPUT, i, InputFiles.key(config, sources.get(i)));
      }
      if (config.testInput().isPresent()) {
        checkRows(InputFile.Origin.TEST_INPUT, 0, "test_input");
      }
      checkRejected(config);
      for (int i = 0; i < sources.size(); i++) {
        checkTaken(
            InputFiles.key(config, sources.get(i)),
            i,
            config.isMixture() ? sources.get(i).name() : "");
      }
    }

    private void checkTaken(String key, int source, String name) {
      if (counts.samples().keySet().stream()
          .noneMatch(s -> s.origin() == InputFile.Origin.INPUT && s.source().equals(name))) {
        throw new UserError(
            "%s: none of the %s rows could be taken%s.\n%s"
                .formatted(
                    key,
                    counts.rowsOf(own(InputFile.Origin.INPUT, source)),
                    counts.excludedRows() > 0
                        ? "; exclude_ids leaves out %s".formatted(counts.excludedRows())
                        : "",
                    reasons()));
      }
    }

    void checkReadable() {
      if (counts.unreadable().isEmpty()) {
        return;
      }
      String lines =
          counts.unreadable().entrySet().stream()
              .limit(REASONS_NAMED)
              .map(entry -> "  %s: %s".formatted(files.get(entry.getKey()).uri(), entry.getValue()))
              .collect(Collectors.joining("\n"));
      throw new UserError(
          "input: %s file(s) cannot be read to the end, so nobody knows how many rows would be lost. Mend or leave out:\n%s"
              .formatted(counts.unreadable().size(), lines));
    }

    private List<InputFile> own(InputFile.Origin origin, int source) {
      return files.stream()
          .filter(file -> file.origin() == origin && file.source() == source)
          .toList();
    }

    private void checkRows(InputFile.Origin origin, int source, String key) {
      List<InputFile> own = own(origin, source);
      if (counts.rowsOf(own) == 0) {
        throw new UserError(
            "%s: no rows in %s%s. Name input that holds rows."
                .formatted(
                    key,
                    own.get(0).uri(),
                    own.size() > 1 ? " and %s more".formatted(own.size() - 1) : ""));
      }
    }

    private void checkRejected(PrepareConfig config) {
      double share = (double) counts.rejectedRows() / counts.rows();
      if (share > config.maxRejected()) {
        throw new UserError(
            String.format(
                Locale.ROOT,
                "max_rejected: %d of %d rows (%.2f %%) cannot be taken, %.2f %% are allowed. Mend"
                    + " the input, choose the dataset that fits it (now '%s'), or raise"
                    + " max_rejected. Commonest reasons:%n%s",
                counts.rejectedRows(),
                counts.rows(),
                100 * share,
                100 * config.maxRejected(),
                config.converters(),
                reasons()));
      }
    }

    /** The commonest reasons, a line each, with their first rows. */
    String reasons() {
      TextSplit.LineNumbers numbers = counts.lineNumbers();
      return counts.commonestReasons().stream()
          .limit(REASONS_NAMED)
          .map(count -> reason(count, numbers))
          .collect(Collectors.joining("\n"));
    }

    private String reason(Count count, TextSplit.LineNumbers numbers) {
      DeadLetterRow first = count.first();
      return "  %s x %s. The first: %s row %s: %s%n    %s"
          .formatted(
              count.rows(),
              first.reason().text(),
              files.get(first.position().file()).uri(),
              numbers.rowInFile(first.position()),
              first.detail(),
              first.excerpt().replace('\n', ' '));
    }
  }

  void add(ReadCounts other) {
    samples(other.samples);
    other.rejected.forEach((reason, count) -> rejected.merge(reason, count, Count::plus));
    lines.putAll(other.lines);
    other.unreadable.forEach(unreadable::putIfAbsent);
    other.rowsByFile.forEach((file, rows) -> rowsByFile.merge(file, rows, Long::sum));
    other.excluded.forEach((name, rows) -> excluded.merge(name, rows, Long::sum));
    blankLines += other.blankLines;
    columns.addAll(other.columns);
    toolRows += other.toolRows;
    untrainedTurns += other.untrainedTurns;
  }

  byte[] encoded() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(this);
    } catch (IOException e) {
      throw new Bug("Counts could not be written to memory.", e);
    }
    return bytes.toByteArray();
  }

  static ReadCounts decoded(byte[] bytes) {
    try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes))) {
      return (ReadCounts) in.readObject();
    } catch (IOException | ClassNotFoundException e) {
      throw new Bug("Counts could not be read from memory.", e);
    }
  }
}
