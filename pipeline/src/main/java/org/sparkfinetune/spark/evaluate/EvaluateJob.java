package org.sparkfinetune.spark.evaluate;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.EvaluateConfig;
import org.sparkfinetune.config.EvaluateConfig.Metric;
import org.sparkfinetune.data.conversation.Conversation;
import org.sparkfinetune.data.conversation.Conversation.Message;
import org.sparkfinetune.data.conversation.Conversation.Role;
import org.sparkfinetune.data.tokenize.LossExtent;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.inference.evaluate.AnswerMetric;
import org.sparkfinetune.inference.evaluate.AnswerMetrics;
import org.sparkfinetune.inference.evaluate.AnsweredSample;
import org.sparkfinetune.inference.evaluate.EvaluationReport;
import org.sparkfinetune.inference.evaluate.ModelResult;
import org.sparkfinetune.model.hub.HubFolder;
import org.sparkfinetune.model.hub.HubId;
import org.sparkfinetune.model.hub.HubRepository.HubKind;
import org.sparkfinetune.spark.cluster.ExecutorSettings;
import org.sparkfinetune.spark.dataset.ConversationCoder;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.spark.generate.AnsweringModel;
import org.sparkfinetune.spark.generate.AnsweringProgress;
import org.sparkfinetune.store.PromotedFolder;
import org.sparkfinetune.store.Store;

/** Measures a model, and the base model beside it, on a prepared test split on all executors. */
public final class EvaluateJob {
  private static final Logger LOG = LoggerFactory.getLogger(EvaluateJob.class);
  private static final int TASKS_PER_CORE = 4;
  private static final int BATCHES_PER_TASK = 4;

  private final SparkSession spark;
  private final JavaSparkContext context;
  private final Store store;

  public EvaluateJob(SparkSession spark) {
    this.spark = spark;
    this.context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    this.store = new Store(spark.sparkContext().hadoopConfiguration());
  }

  /**
   * Runs to the end and writes {@code evaluation.json}.
   *
   * @throws UserError if there is no test split, or it has a conversation without an answer, or
   *     model and adapters are not there or do not fit together
   */
  public EvaluationReport run(EvaluateConfig config) {
    ExecutorSettings.checkDevice(spark.sparkContext().getConf(), config.sampling().device());
    List<AnswerMetric> metrics = AnswerMetrics.of(config.metrics(), config.answerPattern());
    List<Conversation> samples = samples(config);
    // Before any is measured, which may take hours: what is wrong with one is told at once.
    EvaluatedModels evaluated = EvaluatedModels.of(config, store);
    Optional<Promotion> promotion = config.promoteTo().map(to -> new Promotion(to, store));
    Map<String, AnsweringModel> models =
        evaluated.all(promotion.flatMap(to -> to.incumbent(evaluated.last())));
    LossExtent extent = evaluated.extent();
    Map<String, Object> about = evaluated.about(extent);
    if (!metrics.isEmpty()) {
      int maxNewTokens = evaluated.maxNewTokens(samples);
      about.put("max_new_tokens", maxNewTokens);
      models.replaceAll((name, model) -> model.withMaxNewTokens(maxNewTokens));
    }
    EvaluationReport report =
        new EvaluationReport(
            about,
            samples.stream().map(Conversation::question).toList(),
            samples.stream().map(AnsweredSample::expectedText).toList(),
            metrics,
            measure(models, config, metrics, extent, samples));
    warnOfIdleMetrics(report);
    Path file = new Path(output(config), "evaluation.json");
    store.replace(file, report.json());
    LOG.info("Written: {}", file);
    promotion.ifPresent(to -> decide(to, evaluated, report));
    return report;
  }

  private static void warnOfIdleMetrics(EvaluationReport report) {
    for (AnswerMetric metric : report.metrics()) {
      if (report.models().values().stream().allMatch(m -> m.mean(metric.name()).isEmpty())) {
        LOG.warn(
            "{} can judge none of the {} expected answers, and is not in the report.",
            metric.name(),
            report.questions().size());
      }
    }
  }

  private static void decide(
      Promotion promotion, EvaluatedModels evaluated, EvaluationReport report) {
    Map<String, ModelResult> others = new LinkedHashMap<>(report.models());
    ModelResult result = Objects.requireNonNull(others.remove(evaluated.lastName()));
    promotion.decide(evaluated.last(), result, others, report.json());
  }

  private String output(EvaluateConfig config) {
    return config
        .output()
        .or(
            () ->
                config
                    .adapter()
                    .filter(adapters -> adapters.size() == 1)
                    .map(adapters -> adapters.get(0))
                    .filter(this::isFolder)
                    .map(Path::new)
                    .map(this::folderOf)
                    .map(Path::toString))
        .orElse(".");
  }

  private @Nullable Path folderOf(Path adapter) {
    return PromotedFolder.named(adapter, store)
        .map(PromotedFolder::path)
        .orElseGet(adapter::getParent);
  }

  private boolean isFolder(String adapter) {
    return HubFolder.repository(adapter, HubId.MAIN, HubKind.MODEL, store).isEmpty();
  }

  private List<Conversation> samples(EvaluateConfig config) {
    Path path = new Path(config.datasetPath());
    DatasetSplit split =
        DatasetSplit.find(path, "test", store)
            .orElseThrow(
                () ->
                    new UserError(
                        "dataset_path is %s, which has neither test/*.parquet nor test_dataset.json. Let prepare write the data set."
                            .formatted(path)));
    Dataset<Row> rows = split.read(spark);
    int wanted = config.numSamples().orElse(Integer.MAX_VALUE);
    List<Conversation> samples = new ArrayList<>();
    for (Row row :
        config.numSamples().isPresent() ? rows.takeAsList(wanted) : rows.collectAsList()) {
      samples.add(answered(split.layout().read(row, samples.size()), samples.size()));
    }
    if (samples.isEmpty()) {
      throw new UserError("dataset_path is %s, whose test split is empty.".formatted(path));
    }
    warnOfCalls(config, samples);
    return samples;
  }

  private static void warnOfCalls(EvaluateConfig config, List<Conversation> samples) {
    long calls =
        samples.stream()
            .filter(said -> !AnsweredSample.expected(said).extras().toolCalls().isEmpty())
            .count();
    if (calls > 0 && !config.metrics().contains(Metric.JSON_MATCH)) {
      LOG.warn(
          "{} of {} expected answers call tools. How a call is written is the template's matter, so"
              + " metrics that compare texts leave them out: add json_match to metrics.",
          calls,
          samples.size());
    }
  }

  private static Conversation answered(Conversation conversation, int number) {
    List<Message> messages = conversation.messages();
    if (messages.size() < 2 || messages.get(messages.size() - 1).role() != Role.ASSISTANT) {
      throw new UserError(
          "Conversation %s of the test split does not end with an assistant's answer after a question."
              .formatted(number + 1));
    }
    return conversation;
  }

  /** One after the other. */
  private Map<String, ModelResult> measure(
      Map<String, AnsweringModel> models,
      EvaluateConfig config,
      List<AnswerMetric> metrics,
      LossExtent extent,
      List<Conversation> samples) {
    Map<String, ModelResult> results = new LinkedHashMap<>();
    try (AnsweringProgress progress =
        new AnsweringProgress(
            context,
            "evaluate",
            (long) models.size() * samples.size(),
            models.values().iterator().next().layers())) {
      models.forEach(
          (name, model) -> {
            progress.enter("evaluate " + name);
            results.put(name, measure(model, config, metrics, extent, samples, progress.counts()));
          });
    }
    return results;
  }

  /**
   * As many for each core, and no more than have some batches each: where an answer ends another
   * takes its place, so that only the last batch of a task is not full.
   */
  private int tasks(int samples, int batchSize) {
    int cores = context.defaultParallelism();
    int each = samples / (cores * batchSize * BATCHES_PER_TASK);
    return Math.max(1, Math.min(samples, cores * Math.max(1, Math.min(each, TASKS_PER_CORE))));
  }

  private ModelResult measure(
      AnsweringModel model,
      EvaluateConfig config,
      List<AnswerMetric> metrics,
      LossExtent extent,
      List<Conversation> samples,
      AnsweringProgress.Counts counts) {
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < samples.size(); i++) {
      rows.add(RowFactory.create(i, ConversationCoder.encode(List.of(samples.get(i)))));
    }
    int threads = spark.sparkContext().getConf().getInt("spark.task.cpus", 1);
    int tasks = tasks(samples.size(), config.sampling().batchSize());
    Broadcast<AnsweringModel> shared = context.broadcast(model);
    try {
      context.setJobDescription("evaluate " + model.name());
      List<Row> results =
          new ArrayList<>(
              spark
                  .createDataset(rows, Encoders.row(EvaluateRows.INPUT))
                  .repartition(tasks)
                  .mapPartitions(
                      new EvaluateRows(shared, config, extent, threads, counts),
                      Encoders.row(EvaluateRows.result(metrics)))
                  .collectAsList());
      results.sort(Comparator.comparingInt(row -> row.getInt(0)));
      return new ModelResult(results.stream().map(EvaluateRows::read).toList());
    } finally {
      shared.destroy();
    }
  }
}
