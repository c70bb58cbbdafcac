package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.Source;
import org.sparkfinetune.spark.dataset.RowsHash;

/**
 * What prepare did: rows in = train + test + rejected + repeats dropped + not selected + excluded.
 *
 * @param sources of a mixture; none where nothing is mixed
 * @param rejected by reason, the commonest first
 * @param notes what a user should know and would not look for
 * @param datasetHash of the rows of both splits in their order, whatever files hold them
 */
public record PrepareReport(
    String dataset,
    String output,
    long seed,
    List<FileRows> files,
    List<SourceRows> sources,
    Rows rows,
    long blankLines,
    List<Rejected> rejected,
    Repeated repeats,
    SplitSummary train,
    SplitSummary test,
    List<ShownSample> samples,
    List<String> notes,
    String datasetHash) {

  /**
   * One input file or table and the rows found in it.
   *
   * @param version the state of a table or the commit of a hub's file; empty for others
   * @param bytes 0 of a table, which has none that we could count
   */
  public record FileRows(
      String file, String version, String key, String compression, long bytes, long rows) {}

  /**
   * One source of a mixture.
   *
   * @param in all its rows, whatever became of them
   */
  public record SourceRows(String name, String dataset, long in, long train, long test) {}

  /** Every row of the input is in exactly one of the last six. */
  public record Rows(
      long in,
      long train,
      long test,
      long rejected,
      long repeatsDropped,
      long notSelected,
      long excluded) {

    /** Where no conversations are left out by their ids. */
    Rows(long in, long train, long test, long rejected, long repeatsDropped, long notSelected) {
      this(in, train, test, rejected, repeatsDropped, notSelected, 0);
    }
  }

  /** A reason with its first row. */
  public record Rejected(
      String reason, long rows, String file, long row, String detail, String excerpt) {}

  /**
   * Rows whose text was there before.
   *
   * @param near but for case, width and white space
   * @param testRowsInTrain test rows whose text the training split has too
   */
  public record Repeated(long exact, long near, long dropped, long testRowsInTrain) {}

  /** Rows of one length: {@code from} to {@code to} characters or tokens. */
  public record LengthRows(long from, long to, long rows) {
    static List<LengthRows> of(Map<Integer, Long> byLog2) {
      return byLog2.entrySet().stream()
          .map(
              entry ->
                  new LengthRows(
                      entry.getKey() == 0 ? 0 : 1L << entry.getKey(),
                      (2L << entry.getKey()) - 1,
                      entry.getValue()))
          .toList();
    }
  }

  /**
   * One split. Characters are Unicode's, of all messages together.
   *
   * @param tokens if a tokenizer was named and there are rows
   */
  public record SplitSummary(
      long rows,
      long characters,
      Map<Integer, Long> rowsByMessages,
      List<LengthRows> rowsByCharacters,
      List<Extreme> shortest,
      List<Extreme> longest,
      Optional<TokenReport> tokens) {}

  /** A sample at either end of the lengths, with the beginning of its last answer. */
  public record Extreme(String id, long characters, String excerpt) implements Serializable {}

  /** A whole sample. */
  public record ShownSample(String id, List<ShownMessage> messages) implements Serializable {}

  /** One of its messages. */
  public record ShownMessage(String role, String content) implements Serializable {}

  /** Larger files that one core alone read are worth a note. */
  private static final long LARGE = 64L << 20;

  static PrepareReport of(
      PrepareConfig config,
      List<InputFile> files,
      List<String> givenNotes,
      ReadCounts counts,
      Selection selection,
      List<WriteTask.Result> results) {
    SplitStatistics train = new SplitStatistics();
    SplitStatistics test = new SplitStatistics();
    DuplicateFinder.Counts repeats = DuplicateFinder.Counts.NONE;
    long testRowsInTrain = 0;
    for (WriteTask.Result result : results) {
      train.add(result.train());
      test.add(result.test());
      repeats = repeats.plus(result.repeats());
      testRowsInTrain += result.testRowsInTrain();
    }
    long accounted =
        train.rows()
            + test.rows()
            + counts.rejectedRows()
            + repeats.dropped()
            + counts.excludedRows();
    return new PrepareReport(
        config.converters(),
        config.output().folder(),
        config.seed(),
        files.stream().map(file -> fileRows(file, counts)).toList(),
        sources(config, files, counts, selection),
        new Rows(
            counts.rows(),
            train.rows(),
            test.rows(),
            counts.rejectedRows(),
            repeats.dropped(),
            counts.rows() - accounted,
            counts.excludedRows()),
        counts.blankLines(),
        rejected(files, counts),
        new Repeated(repeats.exact(), repeats.near(), repeats.dropped(), testRowsInTrain),
        summary(train, config),
        summary(test, config),
        List.copyOf(train.shown()),
        notes(files, givenNotes, counts, test.rows(), testRowsInTrain),
        RowsHash.ofDataset(train.hash(), test.hash()));
  }

  private static List<SourceRows> sources(
      PrepareConfig config, List<InputFile> files, ReadCounts counts, Selection selection) {
    List<SourceRows> sources = new ArrayList<>();
    for (int i = 0; i < config.sources().size(); i++) {
      Source source = config.sources().get(i);
      int place = i;
      List<InputFile> own = files.stream().filter(file -> file.source() == place).toList();
      Selection.Share share = selection.shareOf(source.name());
      sources.add(
          new SourceRows(
              source.name(),
              source.dataset().text(),
              counts.rowsOf(own),
              share.train(),
              share.test()));
    }
    return sources;
  }

  private static FileRows fileRows(InputFile file, ReadCounts counts) {
    String key =
        switch (file.origin()) {
          case INPUT -> "input";
          case TEST_INPUT -> "test_input";
        };
    String compression =
        switch (file.compression()) {
          case NONE -> "none";
          case GZIP -> "gzip";
          case ZSTD -> "zstd";
        };
    long bytes = file.format() == InputFile.Format.TABLE ? 0 : file.length();
    return new FileRows(
        file.uri(), file.version(), key, compression, bytes, counts.rowsOf(file.index()));
  }

  private static List<Rejected> rejected(List<InputFile> files, ReadCounts counts) {
    TextSplit.LineNumbers lines = counts.lineNumbers();
    return counts.commonestReasons().stream()
        .map(
            count ->
                new Rejected(
                    count.first().reason().text(),
                    count.rows(),
                    files.get(count.first().position().file()).uri(),
                    lines.rowInFile(count.first().position()),
                    count.first().detail(),
                    count.first().excerpt()))
        .toList();
  }

  private static SplitSummary summary(SplitStatistics statistics, PrepareConfig config) {
    return new SplitSummary(
        statistics.rows(),
        statistics.characters(),
        new TreeMap<>(statistics.byTurns()),
        LengthRows.of(statistics.byCharactersLog2()),
        List.copyOf(statistics.shortest()),
        List.copyOf(statistics.longest()),
        config
            .tokens()
            .filter(counting -> statistics.tokens().rows() > 0)
            .map(counting -> TokenReport.of(statistics.tokens(), counting.maxSeqLength())));
  }

  private static List<String> notes(
      List<InputFile> files,
      List<String> givenNotes,
      ReadCounts counts,
      long testRows,
      long testRowsInTrain) {
    List<String> notes = new ArrayList<>(givenNotes);
    for (InputFile file : files) {
      boolean packed = file.compression() != InputFile.Compression.NONE;
      if (packed || (file.format() == InputFile.Format.CSV && file.length() > LARGE)) {
        notes.add(
            "%s was read by one core alone: %s cannot be split."
                .formatted(
                    file.uri(),
                    packed
                        ? file.compression().name().toLowerCase(Locale.ROOT)
                        : "CSV, whose quoted fields may hold line ends,"));
      }
    }
    if (counts.toolRows() > 0) {
      notes.add(
          "%s row(s) call tools. Arguments that are text count as the objects that they spell."
              .formatted(counts.toolRows()));
    }
    if (counts.untrainedTurns() > 0) {
      notes.add(
          "%s turn(s) have weight 0 (or train: false): they are read and never trained."
              .formatted(counts.untrainedTurns()));
    }
    if (testRowsInTrain > 0) {
      notes.add(
          "%s test row(s) have the text of a training row. deduplicate: true would drop them."
              .formatted(testRowsInTrain));
    }
    if (testRows == 0) {
      notes.add("The test split is empty: nothing to evaluate on.");
    }
    return List.copyOf(notes);
  }
}
