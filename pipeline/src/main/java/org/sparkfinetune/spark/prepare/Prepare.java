package org.sparkfinetune.spark.prepare;

import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.PrepareConfig.DatasetKind;
import org.sparkfinetune.config.PrepareConfig.OutputFormat;
import org.sparkfinetune.config.Source;
import org.sparkfinetune.data.conversation.MessageTemplate;
import org.sparkfinetune.data.conversation.RowShape;
import org.sparkfinetune.data.conversation.TokenCounter;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.ParserWords;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.ExtraColumn;
import org.sparkfinetune.spark.prepare.Selection.Split;
import org.sparkfinetune.spark.prepare.Selection.Stratum;
import org.sparkfinetune.store.Store;

/**
 * The command {@code prepare}: raw rows to conversations, shuffled by hash, split exactly, written
 * all or nothing. One exchange; the reading pass runs once, the writing pass once, and with {@code
 * deduplicate} a counting pass between them.
 */
public final class Prepare {
  private static final Logger LOG = LoggerFactory.getLogger(Prepare.class);

  private final SparkSession caller;
  private final SparkSession spark;
  private final PrepareConfig config;
  private final Store store;
  private final OptionalLong splitBytes;
  private final Optional<TokenCounter> counter;

  public Prepare(SparkSession spark, PrepareConfig config) {
    this(spark, config, OptionalLong.empty(), Optional.empty());
  }

  /** With splits of a given size, for tests that show that it does not matter. */
  Prepare(SparkSession spark, PrepareConfig config, OptionalLong splitBytes) {
    this(spark, config, splitBytes, Optional.empty());
  }

  private Prepare(
      SparkSession spark,
      PrepareConfig config,
      OptionalLong splitBytes,
      Optional<TokenCounter> counter) {
    this.splitBytes = splitBytes;
    this.counter = counter;
    this.caller = spark;
    // A session of our own: a setting for our plan must not change the caller's other queries.
    this.spark = spark.newSession();
    this.config = config;
    this.store = new Store(spark.sparkContext().hadoopConfiguration());
  }

  /** The same, counting tokens for the report: whoever can tokenise hands that in. */
  public Prepare counting(TokenCounter tokens) {
    return new Prepare(caller, config, splitBytes, Optional.of(tokens));
  }

  /**
   * Runs the job. The output folder is there when this returns, and is not when it throws.
   *
   * @throws UserError for whatever the user has to change, too many rejected rows included
   * @throws RunFailure if the cluster or a store fails
   */
  public PrepareReport run() {
    if (config.testInput().isPresent() && config.stratifyBy().isPresent()) {
      throw new UserError(
          "stratify_by: has nothing to split when test_input names a ready test split. Remove one"
              + " of them.");
    }
    InputFiles input = new InputFiles(store);
    List<InputFile> stored = input.resolve(config);
    TableInput tables = TableInput.open(caller, config, stored.size());
    List<InputFile> files = Stream.concat(stored.stream(), tables.files().stream()).toList();
    ReadTask.Plan reading = readPlan(files);
    Optional<TableOutput> table = TableOutput.open(caller, config);
    try (OutputFolder output = OutputFolder.open(config, addresses(stored, tables), store)) {
      LOG.info(
          "prepare: reading {} file(s), {} MiB, and {} table(s)",
          stored.size(),
          stored.stream().mapToLong(InputFile::length).sum() >> 20,
          tables.tables().size());
      JavaRDD<Row> sorted = new ReadStage(spark, files, tables.tables(), reading).rows(splitBytes);
      ReadCounts counts = CountedRows.read(sorted, reading.buckets());
      new ReadCounts.Check(files, counts).check(config);
      LOG.info(
          "prepare: {} rows read, {} rejected, {} left out",
          counts.rows(),
          counts.rejectedRows(),
          counts.excludedRows());
      Selection selection = selection(sorted, counts, reading.buckets());
      LOG.info(
          "prepare: writing {} rows to train and {} to test",
          selection.trainRows(),
          selection.testRows());
      List<WriteTask.Result> results =
          sorted
              .mapPartitionsWithIndex(
                  new WriteTask(writePlan(files, reading.buckets(), counts, selection, output)),
                  true)
              .collect();
      List<String> notes =
          Stream.of(
                  input.notes(),
                  tables.notes(),
                  ExcludedIds.notes(reading.excluded(), counts.excluded().keySet()))
              .flatMap(List::stream)
              .toList();
      PrepareReport report = PrepareReport.of(config, files, notes, counts, selection, results);
      finish(output, report, results, columns(counts));
      table.ifPresent(rows -> rows.write(output.output()));
      return report;
    } catch (Exception e) {
      // Not only runtime exceptions: Spark's own is checked, and Scala does not declare it.
      throw explained(e);
    }
  }

  private static List<String> addresses(List<InputFile> files, TableInput tables) {
    return Stream.concat(files.stream().map(InputFile::uri), tables.storedIn().stream()).toList();
  }

  private ReadTask.Plan readPlan(List<InputFile> files) {
    long bytes = files.stream().mapToLong(InputFile::length).sum();
    return new ReadTask.Plan(
        readSources(config),
        config.seed(),
        Buckets.forInputOf(bytes),
        DeadLetterRow.Order.of(files),
        config.stratifyBy().orElse(null),
        ExcludedIds.read(config.excludeIds(), store));
  }

  static List<ReadTask.ReadSource> readSources(PrepareConfig config) {
    return config.read().stream()
        .map(
            source ->
                new ReadTask.ReadSource(
                    config.isMixture() ? source.name() : "",
                    shape(source.dataset())
                        .converter(
                            source.systemMessage(), source.template().map(MessageTemplate::new))))
        .toList();
  }

  private Set<ExtraColumn> columns(ReadCounts counts) {
    Set<ExtraColumn> columns = EnumSet.noneOf(ExtraColumn.class);
    columns.addAll(counts.columns());
    if (config.isMixture()) {
      columns.add(ExtraColumn.SOURCE);
    }
    return columns;
  }

  private static RowShape shape(DatasetKind kind) {
    return switch (kind) {
      case SQL_CREATE_CONTEXT -> RowShape.SQL_CREATE_CONTEXT;
      case NO_ROBOTS -> RowShape.NO_ROBOTS;
      case MESSAGES -> RowShape.MESSAGES;
      case SHAREGPT -> RowShape.SHAREGPT;
      case ALPACA -> RowShape.ALPACA;
      case INSTRUCTION -> RowShape.INSTRUCTION;
      case PREFERENCE -> RowShape.PREFERENCE;
      case TEMPLATE -> RowShape.TEMPLATE;
    };
  }

  /**
   * Whether JSON lines write non-ASCII characters as {@code \\uXXXX}: the reference's SQL recipe
   * does, its no_robots recipe does not, and neither do we elsewhere.
   */
  private static SplitWriter.Escaping escaping(PrepareConfig config) {
    return config.dataset().equals(Optional.of(DatasetKind.SQL_CREATE_CONTEXT))
        ? SplitWriter.Escaping.ASCII_ONLY
        : SplitWriter.Escaping.UTF8;
  }

  private Selection selection(JavaRDD<Row> sorted, ReadCounts counts, Buckets buckets) {
    CountedRows counted =
        config.deduplicate()
            ? CountedRows.withoutRepeats(sorted, buckets)
            : CountedRows.all(sorted, buckets);
    Map<Stratum, Selection.Share> shares =
        Selection.shares(config.deduplicate() ? counted.totals() : counts.samples(), config);
    return new Selection(shares, counted.ends(shares));
  }

  private WriteTask.Plan writePlan(
      List<InputFile> files,
      Buckets buckets,
      ReadCounts counts,
      Selection selection,
      OutputFolder output) {
    return new WriteTask.Plan(
        buckets,
        selection,
        duplicates(),
        EnumSet.copyOf(config.formats()),
        columns(counts),
        escaping(config),
        counts.lineNumbers(),
        files.stream().map(InputFile::uri).toList(),
        output.parts(),
        counter.map(this::broadcast).orElse(null));
  }

  private Broadcast<TokenCounter> broadcast(TokenCounter tokens) {
    return JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(tokens);
  }

  private DuplicateFinder.Policy duplicates() {
    return config.deduplicate() ? DuplicateFinder.Policy.DROP : DuplicateFinder.Policy.KEEP;
  }

  private void finish(
      OutputFolder output,
      PrepareReport report,
      List<WriteTask.Result> results,
      Set<ExtraColumn> columns) {
    Concatenation concatenation =
        new Concatenation(JavaSparkContext.fromSparkContext(spark.sparkContext()), output.parts());
    concatenation.join(
        "rejected/rejected.json",
        results.stream()
            .filter(result -> result.rejected() > 0)
            .map(result -> WriteTask.rejectedName(result.bucket()))
            .toList());
    for (Split split : Split.values()) {
      finish(output, concatenation, split, results, columns);
    }
    output.deleteFolder(WriteTask.PARTS);
    ReportPage page = new ReportPage(report);
    output.write(ReportPage.JSON, page.json());
    output.write(ReportPage.HTML, page.html());
    output.commit(config.sources().stream().map(Source::name).toList());
    LOG.info("prepare: done, {}", output.output());
  }

  private void finish(
      OutputFolder output,
      Concatenation concatenation,
      Split split,
      List<WriteTask.Result> results,
      Set<ExtraColumn> columns) {
    List<Integer> buckets =
        results.stream()
            .filter(result -> result.statistics(split).rows() > 0)
            .map(WriteTask.Result::bucket)
            .toList();
    if (config.formats().contains(OutputFormat.JSON)) {
      concatenation.join(
          split.jsonFile(),
          buckets.stream().map(bucket -> SplitWriter.jsonName(split, bucket)).toList());
    }
    if (config.formats().contains(OutputFormat.PARQUET) && buckets.isEmpty()) {
      // Readers need the columns even where there are no rows.
      output.writeEmptyParquet(SplitWriter.parquetName(split, 0), columns);
    }
  }

  /** Spark wraps what a task threw; what the user has to know is said without the wrapping. */
  static RuntimeException explained(Exception e) {
    for (Throwable at = e; at != null; at = at.getCause()) {
      if (at instanceof UserError || at instanceof RunFailure || at instanceof Bug) {
        return (RuntimeException) at;
      }
    }
    boolean sparks = e.getClass().getName().startsWith("org.apache.spark");
    return e instanceof RuntimeException ours && !sparks ? ours : failed(e);
  }

  private static RunFailure failed(Exception e) {
    return new RunFailure(
        "prepare failed on the cluster: %s. The output was not made; the executors' logs say more."
            .formatted(oneLine(e)),
        e);
  }

  /** The first line of the deepest cause: the lines under it are stack traces of other machines. */
  static String oneLine(Throwable failure) {
    Throwable root = failure;
    while (root.getCause() != null && root.getCause() != root) {
      root = root.getCause();
    }
    String message = root.getMessage();
    String type = root.getClass().getSimpleName();
    return message == null ? type : type + ": " + ParserWords.of(message);
  }
}
