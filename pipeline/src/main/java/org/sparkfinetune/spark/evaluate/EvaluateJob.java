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
import org.sparkfinetune.config.ModelChoice;
import org.sparkfinetune.config.ModelChoice.MergeBase;
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
import org.sparkfinetune.spark.dataset.ConversationCoder;
import org.sparkfinetune.spark.dataset.DatasetSplit;
import org.sparkfinetune.spark.generate.AnswerRows;
import org.sparkfinetune.spark.generate.AnsweringModel;
import org.sparkfinetune.spark.generate.AnsweringProgress;
import org.sparkfinetune.spark.model.ModelFolders;
import org.sparkfinetune.spark.model.RunOfAdapter;
import org.sparkfinetune.store.PromotedFolder;
import org.sparkfinetune.store.Store;

/** Measures a model, and the base model beside it, on a prepared test split on all executors. */
public final class EvaluateJob {
  private static final Logger LOG = LoggerFactory.getLogger(EvaluateJob.class);
  private static final int TASKS_PER_CORE = 4;

  /** Of an answer, unless the user says more. */
  private static final int MOST_TOKENS = 512;

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
    List<AnswerMetric> metrics = AnswerMetrics.of(config.metrics(), config.answerPattern());
    List<Conversation> samples = samples(config);
    Map<String, ModelChoice> candidates = candidates(config);
    // Before others are measured, which may take hours: what is wrong with one is told at once.
    Map<String, AnsweringModel> answering = answering(candidates, config);
    String last = List.copyOf(candidates.keySet()).get(candidates.size() - 1);
    ModelChoice model = Objects.requireNonNull(candidates.get(last));
    LossExtent extent = extent(candidates, model, config);
    Optional<Promotion> promotion = config.promoteTo().map(to -> new Promotion(to, store));
    Map<String, ModelChoice> others = new LinkedHashMap<>();
    if (model.adapter().isPresent() && config.compareBase()) {
      others.put("base", model.withoutAdapter());
    }
    promotion.flatMap(to -> to.incumbent(model)).ifPresent(there -> others.put("promoted", there));
    Map<String, AnsweringModel> models = answering(others, config);
    models.putAll(answering);
    Map<String, Object> about = about(config, candidates, extent);
    if (!metrics.isEmpty()) {
      int maxNewTokens = maxNewTokens(config, models, samples);
      about.put("max_new_tokens", maxNewTokens);
      models.replaceAll((name, one) -> one.withMaxNewTokens(maxNewTokens));
    }
    Map<String, ModelResult> results = measure(models, config, metrics, extent, samples);
    EvaluationReport report =
        new EvaluationReport(
            about,
            samples.stream().map(AnswerRows::question).toList(),
            samples.stream().map(AnsweredSample::expectedText).toList(),
            metrics,
            results);
    Path file = new Path(output(config), "evaluation.json");
    store.replace(file, report.json());
    LOG.info("Written: {}", file);
    ModelResult result = Objects.requireNonNull(results.remove(last));
    promotion.ifPresent(to -> to.decide(model, result, results, report.json()));
    return report;
  }

  /** Name in the report to what is to be measured, besides what it is compared with. */
  private Map<String, ModelChoice> candidates(EvaluateConfig config) {
    List<String> adapters = config.adapter().orElse(List.of());
    List<String> names =
        switch (adapters.size()) {
          case 0 -> List.of("base");
          case 1 -> List.of("adapter");
          default -> AdapterNames.of(adapters);
        };
    Map<String, ModelChoice> candidates = new LinkedHashMap<>();
    for (int i = 0; i < names.size(); i++) {
      candidates.put(names.get(i), resolved(config.candidates().get(i)));
    }
    return candidates;
  }

  /** Base and template are those of the adapter's run for the base model alone too. */
  private ModelChoice resolved(ModelChoice named) {
    ModelChoice model = new ModelFolders(store).located(named);
    return model.with(
        Optional.of(RunOfAdapter.base(model.base(), model.adapter(), store)),
        RunOfAdapter.template(model, store));
  }

  private Map<String, AnsweringModel> answering(
      Map<String, ModelChoice> choices, EvaluateConfig config) {
    Map<String, AnsweringModel> models = new LinkedHashMap<>();
    choices.forEach(
        (name, choice) -> models.put(name, AnsweringModel.of(choice, config.sampling(), store)));
    return models;
  }

  /** One for all models, so that losses can be compared: that of the last. */
  private LossExtent extent(
      Map<String, ModelChoice> candidates, ModelChoice last, EvaluateConfig config) {
    LossExtent extent = RunOfAdapter.lossExtent(last, store);
    candidates.forEach(
        (name, choice) -> {
          LossExtent own = RunOfAdapter.lossExtent(choice, store);
          if (config.metrics().contains(Metric.LOSS) && !own.equals(extent)) {
            LOG.warn(
                "Losses of all models are over {}, as the last adapter's run took them; that of {} took them over {}.",
                extent.words(),
                name,
                own.words());
          }
          if (config.compareBase() && !choice.base().equals(last.base())) {
            LOG.warn(
                "The base model is measured as {}, on which the last adapter was trained; {} was trained on {}. Say --base to measure all on the same weights.",
                last.base().map(MergeBase::text).orElse(""),
                name,
                choice.base().map(MergeBase::text).orElse(""));
          }
        });
    return extent;
  }

  /** What was asked for, or else twice what the longest expected answer needs. */
  private static int maxNewTokens(
      EvaluateConfig config, Map<String, AnsweringModel> models, List<Conversation> samples) {
    int longest =
        models.values().stream().mapToInt(model -> model.longestAnswer(samples)).max().orElse(0);
    int limit = config.maxNewTokens().orElse(Math.max(1, Math.min(MOST_TOKENS, 2 * longest)));
    if (longest > limit) {
      LOG.warn(
          "max_new_tokens is {}, and the longest expected answer has {} tokens: it cannot be given.",
          limit,
          longest);
    }
    return limit;
  }

  private Map<String, Object> about(
      EvaluateConfig config, Map<String, ModelChoice> candidates, LossExtent extent) {
    Map<String, Object> about = new LinkedHashMap<>();
    List<ModelChoice> choices = List.copyOf(candidates.values());
    ModelChoice last = choices.get(choices.size() - 1);
    about.put("model_id", last.modelId());
    if (choices.size() > 1) {
      Map<String, String> adapters = new LinkedHashMap<>();
      candidates.forEach((name, choice) -> adapters.put(name, choice.adapter().orElse("")));
      about.put("adapters", adapters);
    } else {
      last.adapter().ifPresent(adapter -> about.put("adapter", adapter));
    }
    about.put("base", last.base().map(MergeBase::text).orElse(""));
    about.put("dataset_path", config.datasetPath());
    if (config.metrics().contains(Metric.LOSS)) {
      about.put("loss_over", extent.words());
    }
    return about;
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
    int tasks =
        Math.max(1, Math.min(samples.size(), TASKS_PER_CORE * context.defaultParallelism()));
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
