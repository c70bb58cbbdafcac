package org.sparkfinetune.spark.tokenize;

import static org.apache.spark.sql.functions.col;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.Path;
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
import org.sparkfinetune.data.tokenize.PackedRows.SourceRows;
import org.sparkfinetune.data.tokenize.Packer;
import org.sparkfinetune.data.tokenize.Packer.Packing;
import org.sparkfinetune.data.tokenize.Packer.PackingPlan;
import org.sparkfinetune.data.tokenize.Packer.PackingReport;
import org.sparkfinetune.data.tokenize.Packer.SampleLengths;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.spark.tokenize.AssignPieces.ChunkLengths;
import org.sparkfinetune.spark.tokenize.AssignPieces.RowAssignment;
import org.sparkfinetune.spark.tokenize.ChunkConversations.Chunk;
import org.sparkfinetune.spark.tokenize.TokenizeJob.TokenizeRequest;
import org.sparkfinetune.spark.tokenize.TokenizedDataset.TokenizedSplit;
import org.sparkfinetune.store.Store;

/** Tokenises and packs the conversations of one split, or of each source of it, into a folder. */
final class SplitJob {
  private static final Logger LOG = LoggerFactory.getLogger(SplitJob.class);

  /** Some 20 MB of Parquet; small sets get several files for several executors. */
  private static final int TOKENS_PER_FILE = 1 << 21;

  private static final long BYTES_PER_TASK = 32L << 20;

  private final SparkSession spark;
  private final JavaSparkContext context;
  private final Broadcast<Store> onExecutors;
  private final TrainingData data;
  private final TokenizerFiles files;
  private final boolean needsTest;
  private final ChatTemplate template;
  private final Broadcast<TokenizerOnExecutor> tokenizer;
  private final Path folder;

  SplitJob(
      SparkSession spark,
      TokenizeRequest request,
      ChatTemplate template,
      Broadcast<TokenizerOnExecutor> tokenizer,
      Broadcast<Store> onExecutors,
      Path folder) {
    this.spark = spark;
    this.context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    this.onExecutors = onExecutors;
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
        Packed packed =
            plan.rows() == 0 ? new Packed(plan.report(), 0) : write(files, chunks, placed, plan);
        writeLeftOut(files, chunks, placed, plan.report());
        return packed;
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
      onExecutors.value().replace(LeftOut.file(folder, files), text);
    }
  }

  private Dataset<Row> tokenized(DatasetSplit split) {
    int parallelism = context.defaultParallelism();
    // One Parquet file is often one task; chunks are spread so that every core has some.
    int tasks = Math.max(3 * parallelism, (int) Math.min(100_000, split.bytes() / BYTES_PER_TASK));
    context.setJobDescription("tokenize " + split.name());
    return split
        .read(spark)
        .mapPartitions(
            new ChunkConversations(split.layout()), Encoders.row(ChunkConversations.SCHEMA))
        .repartition(tasks)
        .map(new TokenizeChunks(tokenizer, data.objective()), Encoders.row(TokenizeChunks.SCHEMA))
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
    return new Packer(data.maxSeqLength(), Packing.of(data.packs()), data.overlong()).pack(lengths);
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

  private Packed write(
      String files, Dataset<Row> chunks, Broadcast<RowAssignment> placed, PackingPlan plan) {
    int rowsPerFile = Math.max(1, TOKENS_PER_FILE / data.rowLength());
    int fileCount = (plan.rows() + rowsPerFile - 1) / rowsPerFile;
    context.setJobDescription("pack " + files);
    int padId = this.files.padId();
    Dataset<Row> written =
        chunks
            .flatMap(
                new AssignPieces(placed, rowsPerFile, data.objective()),
                Encoders.row(AssignPieces.SCHEMA))
            .repartition(fileCount, col("file"))
            .sortWithinPartitions("row", "piece")
            .mapPartitions(
                new WritePackedRows(onExecutors, folder, files, data, padId),
                Encoders.row(WritePackedRows.SCHEMA));
    long trained = 0;
    long tokens = 0;
    int longest = 0;
    for (Row file : written.collectAsList()) {
      trained += file.getLong(1);
      tokens += file.getLong(2);
      longest = Math.max(longest, file.getInt(3));
    }
    PackingReport report = plan.report();
    return new Packed(data.isPreference() ? report.ofPairs(tokens, longest) : report, trained);
  }
}
