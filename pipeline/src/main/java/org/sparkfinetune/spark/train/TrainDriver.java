package org.sparkfinetune.spark.train;

import java.time.Clock;
import java.time.Duration;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.ResumeFrom;
import org.sparkfinetune.data.template.ChatTemplate;
import org.sparkfinetune.data.tokenize.TokenizerFiles;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.Contents;
import org.sparkfinetune.engine.checkpoint.CheckpointStore;
import org.sparkfinetune.engine.metrics.AttemptLog;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.metrics.TimeLeft;
import org.sparkfinetune.engine.train.RankReport;
import org.sparkfinetune.engine.train.StepSchedule;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.report.mlflow.MlflowRun;
import org.sparkfinetune.spark.cluster.BarrierStage;
import org.sparkfinetune.spark.cluster.BarrierStage.RunExchange;
import org.sparkfinetune.spark.cluster.BarrierStage.StageCancelled;
import org.sparkfinetune.spark.cluster.DeviceProbe;
import org.sparkfinetune.spark.cluster.ExecutorSettings;
import org.sparkfinetune.spark.cluster.RankPlanner;
import org.sparkfinetune.spark.cluster.RankPlanner.RankPlan;
import org.sparkfinetune.spark.model.ModelAndTokenizer.ModelHash;
import org.sparkfinetune.spark.tokenize.AtOnce;
import org.sparkfinetune.spark.tokenize.ChunkConversations;
import org.sparkfinetune.spark.tokenize.TokenizeJob;
import org.sparkfinetune.spark.tokenize.TokenizedCache;
import org.sparkfinetune.spark.tokenize.TokenizedDataset;
import org.sparkfinetune.spark.train.AttemptLoop.RecordedAttempts;
import org.sparkfinetune.store.Retry;
import org.sparkfinetune.store.RunLock;
import org.sparkfinetune.store.Store;

/** The driver's side of {@code train}: check, tokenise, start the ranks, sum up. */
public final class TrainDriver {
  private static final Logger LOG = LoggerFactory.getLogger(TrainDriver.class);

  /** How long a cluster may take to give executors. */
  private static final Duration PATIENCE = Duration.ofSeconds(120);

  /** How long a store may be away between two attempts. */
  private static final Retry STORE = Retry.within(Duration.ofMinutes(5), Duration.ofSeconds(2));

  private static final Retry RECORDS = Retry.within(Duration.ofSeconds(10), Duration.ofSeconds(1));

  private final SparkSession spark;
  private final TrainPreflight preflight;
  private final TrainConfig config;
  private final Loaded<TrainConfig> loaded;
  private final Store store;
  private final RunFolder folder;
  private final Path packed;
  private final Clock clock;

  /** A run that has not started. */
  public TrainDriver(SparkSession spark, TrainPreflight preflight) {
    this(spark, preflight, Clock.system(ZoneId.systemDefault()));
  }

  /**
   * A run of a sweep.
   *
   * @param packed where all its runs keep their packed rows, so that those with the same are packed
   *     once
   */
  public TrainDriver(SparkSession spark, TrainPreflight preflight, Path packed) {
    this(spark, preflight, Optional.of(packed), Clock.system(ZoneId.systemDefault()));
  }

  /**
   * The same on another day.
   *
   * @param clock that a template tells the day of
   */
  TrainDriver(SparkSession spark, TrainPreflight preflight, Clock clock) {
    this(spark, preflight, Optional.empty(), clock);
  }

  private TrainDriver(
      SparkSession spark, TrainPreflight preflight, Optional<Path> packed, Clock clock) {
    this.clock = clock;
    this.spark = spark;
    this.preflight = preflight;
    this.loaded = preflight.loaded();
    this.config = loaded.config().with(preflight.source());
    this.store = new Store(spark.sparkContext().hadoopConfiguration());
    this.folder = RunFolder.of(config.outputDir());
    this.packed = packed.orElseGet(folder::tokenized);
  }

  /**
   * Runs to the end.
   *
   * @throws UserError if something has to be changed first; nothing is written then
   */
  public void run() {
    JavaSparkContext context = new JavaSparkContext(spark.sparkContext());
    ExecutorSettings.checkBackend(context.getConf(), config.parallelism().ddpBackend());
    RankPlanner planner = new RankPlanner(context, PATIENCE);
    RankPlan plan = planner.plan(config.parallelism().numRanks());
    BarrierStage stage = stage(context, planner, plan);
    DeviceProbe.look(context.getConf(), config.compute(), stage);
    try (RunLock unused =
        RunLock.acquire(folder.lock(), store, spark.sparkContext()::cancelAllJobs)) {
      train(context, planner, plan, stage, preflight.model().tokenizer());
    }
  }

  private BarrierStage stage(JavaSparkContext context, RankPlanner planner, RankPlan plan) {
    return new BarrierStage(
        context,
        planner,
        plan,
        RunExchange.settings(context.getConf(), config.parallelism().exchange()));
  }

  private void train(
      JavaSparkContext context,
      RankPlanner planner,
      RankPlan plan,
      BarrierStage stage,
      TokenizerFiles tokenizer) {
    String modelHash = ModelHash.of(config.model().folder(), store);
    new TokenizedCache(folder.tokenized(), store).sweep();
    List.of(folder.root(), folder.tensorboard()).forEach(store::sweep);
    long started = System.nanoTime();
    TokenizeJob tokenize = new TokenizeJob(spark);
    RunRows rows = new RunRows(folder, packed, store, clock);
    RunRows.Choice choice = rows.choose(tokenize, config, tokenizer);
    double secondsToChoose = secondsSince(started);
    CheckpointStore checkpoints =
        new CheckpointStore(folder, store, new CheckpointCheck(context, store));
    ResumePoint resume =
        ResumePoint.decide(
            checkpoints,
            RunIdentities.of(loaded, modelHash, choice.pinned().rows()),
            plan.worldSize(),
            config.loop(),
            config.checkpointing().resumeFrom());
    long chosen = System.nanoTime();
    AtOnce.Both<TokenizedDataset, Optional<DataWarning>> taken =
        AtOnce.run(() -> rows.take(choice, tokenize), () -> cutAnswers(choice, tokenizer));
    TokenizedDataset tokenized = taken.first();
    double tokenizeSeconds = secondsToChoose + secondsSince(chosen);
    checkBest(tokenized);
    Optional<RunAnswers> answers = answers(choice, tokenize, tokenizer);
    explain(tokenized);
    DataWarning.tooLong(tokenized.train().packing(), config.data(), preflight.model().model())
        .ifPresent(this::warn);
    taken.second().ifPresent(this::warn);
    resume.leaveOthersBehind(folder, store);
    RunRecords records = new RunRecords(loaded.yaml(), config, folder, store);
    records.begun(tokenized, choice, modelHash, tokenizer, spark.version());
    StepSchedule schedule =
        new StepSchedule(
            tokenized.train().packing().rows(),
            resume.next().rowsPerStep(),
            config.loop(),
            config.seed());
    LOG.info(
        "Training on {} rank(s) of {} core(s): {} steps.",
        plan.worldSize(),
        plan.coresPerRank(),
        schedule.totalSteps());
    int layers = preflight.model().model().numHiddenLayers();
    int[] attempts = {0};
    List<RankReport> reports =
        attempts(
            schedule,
            ProgressWatch.schedule(
                config, schedule, resume.next().rowsPerStep(), testRows(tokenized)),
            checkpoints,
            () -> begin(attempts[0], resume, planner, plan),
            (number, watch) -> {
              attempts[0] = number + 1;
              TrainTask task =
                  new TrainTask(
                      folder.config().toString(),
                      config.model(),
                      tokenized.path().toString(),
                      tokenized.testSources(),
                      store,
                      resume.next(),
                      watch.loading(context, layers * plan.worldSize()),
                      answers);
              return stage.run(task, number).stream().map(TrainTask::report).toList();
            });
    records.ended(reports, attempts[0], tokenizeSeconds);
  }

  /** Evaluations that choose the result, or end the run, need rows and their metric. */
  private void checkBest(TokenizedDataset tokenized) {
    if (!config.best().isAsked()) {
      return;
    }
    if (testRows(tokenized) == 0) {
      throw new UserError(
          "%s needs evaluations, but %s has no rows to evaluate on; prepare them with test_size or test_input."
              .formatted(
                  config.best().loadBestModelAtEnd()
                      ? "load_best_model_at_end"
                      : "early_stopping_patience",
                  config.data().datasetPath()));
    }
    Map<String, Double> sources = new TreeMap<>();
    tokenized.testSources().forEach(source -> sources.put(source.source(), 0.0));
    Map<String, Double> answers = new TreeMap<>();
    RunAnswers.metrics(config).forEach(metric -> answers.put(metric.name(), 0.0));
    config.best().of(0, sources, answers);
  }

  /** What evaluations ask the model, if metrics need answers. */
  private Optional<RunAnswers> answers(
      RunRows.Choice choice, TokenizeJob tokenize, TokenizerFiles files) {
    if (!config.evalMetrics().needAnswers()) {
      return Optional.empty();
    }
    ChatTemplate template =
        choice
            .found()
            .map(TokenizeJob.Found::template)
            .orElseGet(() -> tokenize.template(choice.request()));
    EvaluationQuestions.Asked asked =
        new EvaluationQuestions(spark, folder, store)
            .choose(config, template, files, choice.replacedBy().isPresent());
    return Optional.of(new RunAnswers(asked, files, template, store));
  }

  private static double secondsSince(long nanos) {
    return (System.nanoTime() - nanos) * 1e-9;
  }

  /** The step after which a start begins; executors that were lost have to be back to look. */
  private static OptionalLong begin(
      int startsBefore, ResumePoint resume, RankPlanner planner, RankPlan plan) {
    if (startsBefore == 0) {
      return resume.step();
    }
    planner.awaitExecutors(plan);
    return STORE.ask(resume::again);
  }

  private static int testRows(TokenizedDataset tokenized) {
    return tokenized.test().map(test -> test.packing().rows()).orElse(0);
  }

  /** One start of the ranks, and what shows how it goes. */
  private interface Attempt {
    List<RankReport> run(int number, ProgressWatch watch);
  }

  /** Attempts until one reaches the end, or the process is asked to stop. */
  private List<RankReport> attempts(
      StepSchedule schedule,
      TimeLeft.Schedule toCome,
      CheckpointStore checkpoints,
      Supplier<OptionalLong> begin,
      Attempt attempt) {
    StopRequest stop = new StopRequest(folder, store);
    stop.clear();
    RecordedAttempts recorded =
        new RecordedAttempts(new AttemptLog(folder, store), RECORDS, schedule.totalSteps());
    ExperimentTracking tracking = ExperimentTracking.open(loaded, folder, store);
    MlflowRun.End end = MlflowRun.End.FAILED;
    try (ProgressWatch watch = ProgressWatch.start(folder, store, toCome, tracking::tell);
        StopSignals signals = StopSignals.listen(stop::make)) {
      List<RankReport> reports =
          new AttemptLoop(
                  config.checkpointing().maxAttempts(), begin, () -> signals.received().isPresent())
              .run(recorded.recording(number -> attempt.run(number, watch)));
      long steps = steps(reports);
      if (!reports.get(0).totals().get(0).ended()) {
        end = MlflowRun.End.KILLED;
        throw stopped(signals.received().orElse("by " + folder.stopRequest()), steps, schedule);
      }
      end = MlflowRun.End.FINISHED;
      return reports;
    } catch (StageCancelled e) {
      end = MlflowRun.End.KILLED;
      long saved =
          checkpoints.newest(Contents.WHOLE_STATE).map(at -> at.manifest().step()).orElse(0L);
      throw stopped("cancelled in Spark", saved, schedule);
    } finally {
      stop.clearIfPossible();
      tracking.end(end);
    }
  }

  static long steps(List<RankReport> reports) {
    return reports.get(0).totals().get(0).steps();
  }

  private RunFailure stopped(String why, long steps, StepSchedule schedule) {
    String how =
        config.checkpointing().resumeFrom() instanceof ResumeFrom.Auto
            ? "The same command"
            : "resume_from_checkpoint: auto";
    return new RunFailure(
        "The run was stopped (%s) after step %s of %s, which is saved. %s goes on from there."
            .formatted(why, steps, schedule.totalSteps(), how));
  }

  private static void explain(TokenizedDataset tokenized) {
    LOG.info("train: {}", tokenized.train().packing().text());
    tokenized.test().ifPresent(test -> LOG.info("test: {}", test.packing().text()));
  }

  /** Only where the rows are new: of older ones it was said before. */
  private Optional<DataWarning> cutAnswers(RunRows.Choice choice, TokenizerFiles tokenizer) {
    return choice
        .found()
        .flatMap(
            found ->
                DataWarning.cutAnswers(
                    ChunkConversations.first(spark, found.train(), DataWarning.CONVERSATIONS),
                    found.template(),
                    tokenizer.specialTokens()));
  }

  private void warn(DataWarning warning) {
    LOG.warn("{}: {}. {}", config.data().datasetPath(), warning.what(), warning.advice());
  }
}
