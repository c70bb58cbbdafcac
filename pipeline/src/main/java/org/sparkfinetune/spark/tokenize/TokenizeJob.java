package org.sparkfinetune.spark.tokenize;

import static org.apache.spark.sql.functions.col;

import java.time.LocalDate;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.storage.StorageLevel;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.ChatTemplates;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.data.tokenize.PackedRows.SourceRows;
import org.sparkfinetune.data.tokenize.Packer;
import org.sparkfinetune.data.tokenize.Packer.Packing;
import org.sparkfinetune.data.tokenize.Packer.PackingPlan;
import org.sparkfinetune.data.tokenize.Packer.PackingReport;
import org.sparkfinetune.data.tokenize.Packer.SampleLengths;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.spark.tokenize.AssignPieces.ChunkLengths;
import org.sparkfinetune.spark.tokenize.AssignPieces.RowAssignment;
import org.sparkfinetune.spark.tokenize.ChunkConversations.Chunk;
import org.sparkfinetune.spark.tokenize.TokenizedDataset.TokenizedSplit;
import org.sparkfinetune.store.RunLock;
import org.sparkfinetune.store.Staging;
import org.sparkfinetune.store.Store;

/**
 * From conversations to packed rows, on all executors:
 *
 * <pre>
 * files -> chunks of conversations -> (shuffle) -> chunks of ids, kept on the executors' disks
 *                                                   | lengths                 |
 *                                       driver: plan of rows -> (broadcast) -> pieces -> (shuffle by file) -> Parquet
 * </pre>
 *
 * The driver sees two numbers of each sample and never an id. Neither the number of executors nor
 * the way Spark spreads the files changes a row: chunks are put back into the data set's order.
 */
public final class TokenizeJob {
  private static final Logger LOG = LoggerFactory.getLogger(TokenizeJob.class);

  /** Some 20 MB of Parquet; small sets get several files for several executors. */
  private static final int TOKENS_PER_FILE = 1 << 21;

  private static final long BYTES_PER_TASK = 32L << 20;

  private final SparkSession spark;
  private final JavaSparkContext context;
  private final Store store;
  private final Broadcast<Store> onExecutors;

  public TokenizeJob(SparkSession spark) {
    this.spark = spark;
    this.context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    this.store = new Store(spark.sparkContext().hadoopConfiguration());
    this.onExecutors = context.broadcast(store);
  }

  /**
   * Tokenises and packs a data set, or finds that done before.
   *
   * @throws UserError if the data set is missing or broken, no sample fits a row, or nothing would
   *     be trained
   */
  public TokenizedDataset run(TokenizeRequest request) {
    return pack(request, look(request, template(request)));
  }

  /**
   * A data set as it is now.
   *
   * @param rows hash of its rows
   * @param rowsHash of the packed rows that they would become
   */
  public record Found(
      DatasetSplit train,
      Optional<DatasetSplit> test,
      ChatTemplate template,
      String rows,
      String rowsHash) {

    /** Of the rows, with the algorithm's name before a colon. */
    public String contentHash() {
      return "sha256:" + rows;
    }

    private void checkUnchanged(Store store) {
      train.checkUnchanged(store);
      test.ifPresent(split -> split.checkUnchanged(store));
    }
  }

  /**
   * Reads the data set for its hash.
   *
   * @throws UserError if the data set is missing, broken or changed at this moment
   */
  public Found look(TokenizeRequest request, ChatTemplate template) {
    Path dataset = new Path(request.data().datasetPath());
    DatasetSplit train = DatasetSplit.train(dataset, store);
    Optional<DatasetSplit> test = DatasetSplit.find(dataset, DatasetSplit.TEST, store);
    String rows = TokenizedHash.dataset(spark, train, test);
    // Test rows are packed by source, so that each has its own loss.
    String bySource = test.map(split -> TokenizedHash.bySource(spark, split)).orElse("");
    String hash = TokenizedHash.of(TokenizedHash.settings(request, template), rows + bySource);
    return new Found(train, test, template, rows, hash);
  }

  /**
   * The rows of a data set that was looked at before.
   *
   * @throws UserError if it was replaced since then, no sample fits a row, or nothing would be
   *     trained
   */
  public TokenizedDataset pack(TokenizeRequest request, Found found) {
    TrainingData data = request.data();
    ChatTemplate template = found.template();
    String hash = found.rowsHash();
    TokenizedCache cache = new TokenizedCache(request.cacheFolder(), store);
    Optional<TokenizedDataset> known =
        cache
            .find(hash)
            .filter(
                rows -> !request.needsTest() || found.test().isEmpty() || rows.test().isPresent());
    if (known.isPresent()) {
      LOG.info("Packed rows found in {}", known.get().path());
      return known.get();
    }
    Broadcast<TokenizerOnExecutor> tokenizer =
        context.broadcast(
            new TokenizerOnExecutor(
                request.tokenizer(), template, LossTarget.assistantOnly(data.assistantOnlyLoss())));
    warmUp(tokenizer);
    try (Staging staged = cache.stage(hash)) {
      SplitJob job = new SplitJob(request, template, tokenizer, staged.path());
      TokenizedSplit trained = job.train(found.train());
      Optional<TokenizedSplit> tested = found.test().flatMap(job::test);
      found.checkUnchanged(store);
      return cache.publish(staged, hash, trained, tested);
    } catch (Exception e) {
      // Whatever Spark says of files that are gone or have other rows now: this is why.
      found.checkUnchanged(store);
      throw e;
    } finally {
      tokenizer.destroy();
    }
  }

  /**
   * The same for a driver that only tokenises.
   *
   * @throws UserError also if another driver is at work in the run folder
   */
  public TokenizedDataset run(TokenizeRequest request, RunFolder folder) {
    try (RunLock unused =
        RunLock.acquire(folder.lock(), store, spark.sparkContext()::cancelAllJobs)) {
      return run(request);
    }
  }

  private void warmUp(Broadcast<TokenizerOnExecutor> tokenizer) {
    int tasks = context.defaultParallelism();
    List<Integer> any = new ArrayList<>(Collections.nCopies(tasks, 0));
    JavaFutureAction<Void> unused =
        context
            .parallelize(any, tasks)
            .foreachPartitionAsync(nothing -> tokenizer.value().warmUp());
  }

  /** The day begins for the run, so that a template that tells the time tells one. */
  public ChatTemplate template(TokenizeRequest request) {
    return ChatTemplates.choose(request.data().chatTemplate(), request.tokenizer(), store)
        .at(request.day().atStartOfDay());
  }

  private final class SplitJob {
    private final TrainingData data;
    private final TokenizerFiles files;
    private final boolean needsTest;
    private final ChatTemplate template;
    private final Broadcast<TokenizerOnExecutor> tokenizer;
    private final Path folder;

    SplitJob(
        TokenizeRequest request,
        ChatTemplate template,
        Broadcast<TokenizerOnExecutor> tokenizer,
        Path folder) {
      this.data = request.data();
      this.files = request.tokenizer();
      this.needsTest = request.needsTest();
      this.template = template;
      this.tokenizer = tokenizer;
      this.folder = folder;
    }

    TokenizedSplit train(DatasetSplit split) {
      Packed packed = pack(split, split.name());
      if (packed.report().rows() == 0) {
        throw nothingFits(split, packed.report());
      }
      return new TokenizedSplit(packed.report(), packed.trainedTokens(), List.of());
    }

    /** The sources of a mixture one behind the other; empty without rows, if nobody evaluates. */
    Optional<TokenizedSplit> test(DatasetSplit split) {
      List<Packed> packed = new ArrayList<>();
      List<SourceRows> sources = new ArrayList<>();
      if (split.sources().isEmpty()) {
        packed.add(pack(split, split.name()));
      }
      for (String source : split.sources()) {
        String files = String.format(Locale.ROOT, "%s-%03d", split.name(), sources.size());
        Packed own = pack(split.of(source), files);
        packed.add(own);
        if (own.report().rows() > 0) {
          sources.add(new SourceRows(source, own.report().rows()));
        } else {
          LOG.warn(
              "The test split has no row of the source {} ({} samples, {} longer than"
                  + " max_seq_length, {} with nothing to train): it gets no loss of its own.",
              source,
              own.report().samples(),
              own.report().dropped(),
              own.report().nothingToTrain());
        }
      }
      PackingReport report =
          packed.stream().map(Packed::report).reduce(PackingReport::plus).orElseThrow();
      if (report.rows() == 0) {
        if (needsTest) {
          throw nothingFits(split, report);
        }
        return Optional.empty();
      }
      long trained = packed.stream().mapToLong(Packed::trainedTokens).sum();
      return Optional.of(new TokenizedSplit(report, trained, sources));
    }

    /** Conversations that were put into rows. */
    private record Packed(PackingReport report, long trainedTokens) {}

    /**
     * Packs what is left of the samples; no file is written where nothing is.
     *
     * @param files beginning of the names of the files
     */
    private Packed pack(DatasetSplit split, String files) {
      Dataset<Row> chunks = tokenized(split);
      try {
        List<ChunkLengths> lengths = lengths(chunks);
        PackingPlan plan = plan(ChunkLengths.concatenated(lengths));
        LOG.debug("{}: {}", files, plan.report());
        Map<Chunk, Integer> first = ChunkLengths.firstSamples(lengths);
        Broadcast<RowAssignment> placed =
            context.broadcast(new RowAssignment(new HashMap<>(first), plan));
        try {
          long trained = plan.rows() == 0 ? 0 : write(files, chunks, placed, plan);
          writeLeftOut(files, chunks, placed, plan.report());
          return new Packed(plan.report(), trained);
        } finally {
          placed.destroy();
        }
      } finally {
        chunks.unpersist();
      }
    }

    private void writeLeftOut(
        String files, Dataset<Row> chunks, Broadcast<RowAssignment> placed, PackingReport report) {
      if (report.packed() < report.samples()) {
        context.setJobDescription("list what is left out of " + files);
        List<String> names =
            chunks.flatMap(new LeftOut(placed), Encoders.STRING()).distinct().collectAsList();
        String text = names.stream().sorted().collect(Collectors.joining("\n", "", "\n"));
        store.replace(LeftOut.file(folder, files), text);
      }
    }

    private Dataset<Row> tokenized(DatasetSplit split) {
      int parallelism = context.defaultParallelism();
      // One Parquet file is often one task; chunks are spread so that every core has some.
      int tasks =
          Math.max(3 * parallelism, (int) Math.min(100_000, split.bytes() / BYTES_PER_TASK));
      context.setJobDescription("tokenize " + split.name());
      return split
          .read(spark)
          .mapPartitions(
              new ChunkConversations(split.layout()), Encoders.row(ChunkConversations.SCHEMA))
          .repartition(tasks)
          .map(new TokenizeChunks(tokenizer), Encoders.row(TokenizeChunks.SCHEMA))
          .persist(StorageLevel.DISK_ONLY());
    }

    private List<ChunkLengths> lengths(Dataset<Row> chunks) {
      List<ChunkLengths> lengths = new ArrayList<>();
      for (Row row : chunks.drop("ids", "names").collectAsList()) {
        lengths.add(ChunkLengths.of(row));
      }
      lengths.sort(ChunkLengths.ORDER);
      for (ChunkLengths chunk : lengths) {
        chunk
            .error()
            .ifPresent(
                message -> {
                  throw new UserError(message);
                });
      }
      return lengths;
    }

    private PackingPlan plan(SampleLengths lengths) {
      return new Packer(data.maxSeqLength(), Packing.of(data.packing()), data.overlong())
          .pack(lengths);
    }

    private UserError nothingFits(DatasetSplit split, PackingReport report) {
      if (report.samples() == 0) {
        return split.empty(data.datasetPath());
      }
      if (report.nothingToTrain() > 0) {
        return new UserError(
            "Nothing of the %s split would be trained: with the chat template '%s'%s no token of %s samples (%s of them longer than max_seq_length: %s) has a loss. Change chat_template, assistant_only_loss, overlong or max_seq_length."
                .formatted(
                    split.name(),
                    template.name(),
                    data.assistantOnlyLoss() ? " and assistant_only_loss: true" : "",
                    report.samples(),
                    report.dropped(),
                    data.maxSeqLength()));
      }
      return new UserError(
          "max_seq_length: %s, but no sample of the %s split is that short: the shortest has %s tokens, the longest %s (%s samples). Raise max_seq_length, or set overlong to truncate or split."
              .formatted(
                  data.maxSeqLength(),
                  split.name(),
                  report.shortest(),
                  report.longest(),
                  report.samples()));
    }

    private long write(
        String files, Dataset<Row> chunks, Broadcast<RowAssignment> placed, PackingPlan plan) {
      int rowsPerFile = Math.max(1, TOKENS_PER_FILE / data.maxSeqLength());
      int fileCount = (plan.rows() + rowsPerFile - 1) / rowsPerFile;
      context.setJobDescription("pack " + files);
      int padId = this.files.padId();
      Dataset<Row> written =
          chunks
              .flatMap(new AssignPieces(placed, rowsPerFile), Encoders.row(AssignPieces.SCHEMA))
              .repartition(fileCount, col("file"))
              .sortWithinPartitions("row", "piece")
              .mapPartitions(
                  new WritePackedRows(onExecutors, folder, files, data.maxSeqLength(), padId),
                  Encoders.row(WritePackedRows.SCHEMA));
      long trained = 0;
      for (Row file : written.collectAsList()) {
        trained += file.getLong(1);
      }
      return trained;
    }
  }

  /**
   * this(data, tokenizer, cacheFolder, LocalDate.now(ZoneId.systemDefault()), true);
   *
   * @param cacheFolder on storage that driver and executors share; holds one folder for each way in
   *     which a data set was tokenised
   * @param day that a template tells which asks for the date
   * @param needsTest whether a test split that gives no row is a mistake: somebody will evaluate
   */
  public record TokenizeRequest(
      TrainingData data,
      TokenizerFiles tokenizer,
      Path cacheFolder,
      LocalDate day,
      boolean needsTest) {

    /** On this day, for training with evaluation. */
    public TokenizeRequest(TrainingData data, TokenizerFiles tokenizer, Path cacheFolder) {
      this(data, tokenizer, cacheFolder, LocalDate.now(ZoneId.systemDefault()), true);
    }
  }
}
