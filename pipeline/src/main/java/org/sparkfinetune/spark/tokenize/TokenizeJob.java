package org.sparkfinetune.spark.tokenize;

import java.time.LocalDate;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.TrainingData;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.ChatTemplates;
import org.sparkfinetune.data.tokenize.LossExtent.LossTarget;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.dataset.DatasetSplit;
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
    DatasetSplit train = DatasetSplit.train(dataset, store).withColumns(spark);
    Optional<DatasetSplit> test =
        DatasetSplit.find(dataset, DatasetSplit.TEST, store).map(split -> split.withColumns(spark));
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
            new TokenizerOnExecutor(request.tokenizer(), template, LossTarget.of(data)));
    warmUp(tokenizer);
    try (Staging staged = cache.stage(hash)) {
      SplitJob job = new SplitJob(spark, request, template, tokenizer, onExecutors, staged.path());
      AtOnce.Both<TokenizedSplit, Optional<TokenizedSplit>> packed =
          AtOnce.run(() -> job.train(found.train()), () -> found.test().flatMap(job::test));
      found.checkUnchanged(store);
      return cache.publish(staged, hash, packed.first(), packed.second());
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
