package org.sparkfinetune.engine.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.BooleanSupplier;
import java.util.function.ToLongFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.data.tokenize.PackedRows;
import org.sparkfinetune.data.tokenize.PackedRows.SourceRows;
import org.sparkfinetune.data.tokenize.PackedRowsFile;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest;
import org.sparkfinetune.engine.checkpoint.CheckpointStore;
import org.sparkfinetune.engine.exchange.ExchangeStats;
import org.sparkfinetune.engine.exchange.ExchangeStats.Traffic;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.DeviceCollectives;
import org.sparkfinetune.engine.fsdp.NcclRendezvous;
import org.sparkfinetune.engine.fsdp.WeightSource;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.metrics.Summary.ExchangeSummary;
import org.sparkfinetune.engine.metrics.Summary.Phase;
import org.sparkfinetune.engine.metrics.Summary.RankSummary;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.Nccl;
import org.sparkfinetune.engine.tensor.NvidiaSmi;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.tensor.Torch.Determinism;
import org.sparkfinetune.engine.train.RankMemory.GpuMemory;
import org.sparkfinetune.engine.train.RankMemory.RankGauges;
import org.sparkfinetune.engine.train.Trainer.TrainingEvents;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.model.peft.AdapterConfig;
import org.sparkfinetune.store.Heartbeat;
import org.sparkfinetune.store.Store;

/** One rank's whole run: load, train, evaluate, save. Knows nothing of Spark. */
public final class RankRun {
  private static final Logger LOG = LoggerFactory.getLogger(RankRun.class);

  private final TrainConfig config;
  private final AdapterConfig lora;
  private final Environment environment;
  private final ResumeState continuation;
  private final Store store;
  private final RunFolder folder;
  private final CheckpointStore checkpoints;
  private final RankMemory memory = new RankMemory();
  private final GpuMemory gpuMemory = new GpuMemory();

  /**
   * Where the rank runs.
   *
   * @param threads for operators
   * @param device what the rank computes on
   * @param residentBytes of a model's frozen weights that may stay on the device
   * @param scratch a local folder that may vanish afterwards
   * @param tokenizedPath Hadoop URI of the packed rows
   * @param testSources of the packed test rows of a mixture; empty where nothing is mixed
   * @param answers measures what the model writes, if that was asked for; the caller closes it
   * @param attempt starts of this run before
   * @param stopRequested whether the run should save and end after the step it is in
   */
  public record Environment(
      ProcessGroup exchange,
      String host,
      int threads,
      ComputeDevice device,
      ToLongFunction<DecoderConfig> residentBytes,
      Path scratch,
      String tokenizedPath,
      List<SourceRows> testSources,
      Optional<AnswerEvaluation> answers,
      int attempt,
      ProgressListener progress,
      BooleanSupplier stopRequested) {}

  /** Told where the rank is, for messages about failures and for who watches. */
  public interface ProgressListener {
    void enter(String phase, long step);

    /** One more layer of this rank's part of the model is there. */
    default void layerLoaded() {}
  }

  public RankRun(
      TrainConfig config, Environment environment, ResumeState continuation, Store store) {
    this.config = config;
    this.lora = AdapterConfig.of(config, store);
    this.environment = environment;
    this.continuation = continuation;
    this.store = store;
    this.folder = RunFolder.of(config.outputDir());
    this.checkpoints = new CheckpointStore(folder, store);
  }

  /**
   * What is there once a rank has loaded.
   *
   * @param waitedBefore seconds it waited for other ranks until then
   */
  private record Job(
      RankModel model,
      PackedRows train,
      PackedRows test,
      StepSchedule schedule,
      PhaseClock clock,
      double waitedBefore) {
    int rank() {
      return model.exchange().rank();
    }
  }

  /** All ranks have to run at the same time. */
  public RankReport run() {
    environment.progress().enter("loading", 0);
    PhaseClock clock = new PhaseClock();
    org.apache.hadoop.fs.Path rows = new org.apache.hadoop.fs.Path(environment.tokenizedPath());
    try (Heartbeat unused = memory.watch(clock::current);
        NvidiaSmi.Watch unusedToo = gpuMemory.watch(environment.device());
        Torch torch = Torch.start(environment.threads(), environment.device(), determinism());
        BaseModel base = BaseModel.open(config.model().folder(), store);
        PackedRows train = PackedRowsFile.copyOf(rows, "train", store, environment.scratch());
        PackedRows test = PackedRowsFile.copyOf(rows, "test", store, environment.scratch());
        TrainableSource trainable = TrainableSource.of(config, lora, base, new Ops(torch), store);
        ShardCache kept = ShardCache.of(config, recipe(base), continuation, store);
        RankModel model = clock.in(Phase.LOAD, () -> load(torch, base, trainable, kept))) {
      StepSchedule schedule =
          new StepSchedule(train.size(), continuation.rowsPerStep(), config.loop(), config.seed());
      double waited = environment.exchange().stats().secondsWaited();
      return run(new Job(model, train, test, schedule, clock, waited));
    }
  }

  private Determinism determinism() {
    Determinism determinism = Determinism.of(config.compute());
    if (environment.exchange().rank() == 0
        && environment.device() instanceof ComputeDevice.Cuda gpu) {
      LOG.info("On {}, {}.", gpu.text(), determinism.text());
    }
    return determinism;
  }

  private ModelRecipe recipe(BaseModel base) {
    long resident = environment.residentBytes().applyAsLong(base.config());
    return ModelRecipe.of(config, lora, base, environment.device(), resident);
  }

  private RankModel load(Torch torch, BaseModel base, WeightSource trainable, ShardCache kept) {
    boolean isFull = config.method() == Method.FULL;
    LoadedLayers loaded =
        new LoadedLayers(isFull ? trainable : base.weights(), environment.progress()::layerLoaded);
    RankModel model =
        RankModel.load(
            recipe(base),
            torch,
            environment.exchange(),
            onDevice(torch),
            isFull ? base.weights() : loaded,
            isFull ? loaded : trainable,
            environment.scratch(),
            kept.store());
    loaded.all(base.config().numHiddenLayers());
    return model;
  }

  private Optional<DeviceCollectives> onDevice(Torch torch) {
    return new NcclRendezvous(
            new Ops(torch), environment.exchange(), () -> Nccl.find(System.getenv()))
        .meet(config.parallelism().ddpBackend());
  }

  private RankReport run(Job job) {
    Optional<CheckpointManifest> saved = continuation.checkpoint().map(path -> restore(job, path));
    BestEvaluation best = best(job, saved);
    if (job.rank() != 0) {
      long done = train(job, saved, best, Optional.empty());
      if (hasEnded(job, done, best)) {
        result(job, done, best);
      }
      finish(job);
      return report(job, List.of());
    }
    checkpoints.sweep();
    try (RunRecorder recorder = recorder(job, saved)) {
      long done = train(job, saved, best, Optional.of(recorder));
      boolean ended = hasEnded(job, done, best);
      if (ended) {
        environment.progress().enter("saving", done);
        AdapterSaver saver = new AdapterSaver(job.model(), store, result(job, done, best));
        job.clock().in(Phase.CHECKPOINT, () -> saver.result(config, lora));
      }
      finish(job);
      return report(
          job, List.of(ended ? recorder.finish(flos(job), best) : recorder.totals(false, best)));
    }
  }

  private static boolean hasEnded(Job job, long done, BestEvaluation best) {
    return done >= job.schedule().totalSteps() || best.endsRun();
  }

  /** The evaluations before a checkpoint; all are forgotten if the best one's weights are gone. */
  private BestEvaluation best(Job job, Optional<CheckpointManifest> saved) {
    BestEvaluation best = new BestEvaluation(config.best());
    saved.ifPresent(from -> best.restore(from.counters()));
    OptionalLong step = best.resultingStep();
    if (step.isPresent() && !checkpoints.has(step.getAsLong())) {
      if (job.rank() == 0) {
        LOG.warn(
            "{} of step {}, the best so far, has no checkpoint in {} any more; the best is chosen among the evaluations to come.",
            config.best().name(),
            step.getAsLong(),
            folder.checkpoints());
      }
      best.forget();
    }
    return best;
  }

  /** Puts the weights in place that are the run's result; returns their version. */
  private long result(Job job, long done, BestEvaluation best) {
    if (best.endsRun() && job.rank() == 0) {
      LOG.info(
          "The run ends after step {} of {}: {} evaluations in a row had no better {} (early_stopping_patience).",
          done,
          job.schedule().totalSteps(),
          config.best().earlyStoppingPatience().orElse(0),
          config.best().name());
    }
    OptionalLong step = best.resultingStep();
    if (step.isEmpty() || step.getAsLong() == done) {
      return done;
    }
    if (job.rank() == 0) {
      LOG.info(
          "The result is the model of step {}, whose {} is the best.",
          step.getAsLong(),
          config.best().name());
    }
    org.apache.hadoop.fs.Path checkpoint = folder.checkpoint(step.getAsLong());
    CheckpointManifest manifest =
        job.rank() == 0
            ? checkpoints.open(checkpoint).manifest()
            : checkpoints.manifest(checkpoint);
    Checkpointer.restore(job.model(), checkpoint, manifest, store);
    job.model().weights().trainable().forEach(group -> group.publish(done + 1));
    return done + 1;
  }

  private CheckpointManifest restore(Job job, org.apache.hadoop.fs.Path checkpoint) {
    CheckpointManifest manifest = checkpoints.manifest(checkpoint);
    Checkpointer.restore(job.model(), checkpoint, manifest, store);
    return manifest;
  }

  private RunRecorder recorder(Job job, Optional<CheckpointManifest> saved) {
    RunRecorder.Setting setting =
        new RunRecorder.Setting(
            folder,
            store,
            config.reporting(),
            job.schedule().totalSteps(),
            job.test().size(),
            environment.attempt() + 1,
            new RankGauges(job.clock())::sinceLast);
    return saved
        .map(from -> RunRecorder.resume(setting, from.step(), from.counters()))
        .orElseGet(() -> RunRecorder.start(setting));
  }

  /** Returns the steps done at the end. */
  private long train(
      Job job,
      Optional<CheckpointManifest> saved,
      BestEvaluation best,
      Optional<RunRecorder> recorder) {
    Trainer trainer =
        new Trainer(
            job.model(),
            job.schedule(),
            config.optimization(),
            config.reporting(),
            job.train(),
            new Evaluation.TestRows(job.test(), environment.testSources()),
            recorder.isPresent() ? recorder.get() : new Unrecorded(),
            environment.answers().map(own -> ofRanks(job, own)),
            best,
            job.clock(),
            pairs());
    Checkpointer.Setting setting =
        new Checkpointer.Setting(
            checkpoints,
            store,
            config.checkpointing(),
            continuation,
            recorder,
            best,
            environment.stopRequested());
    long before = saved.map(CheckpointManifest::step).orElse(0L);
    try (Checkpointer checkpointer =
        new Checkpointer(job.model(), job.schedule(), setting, job.clock())) {
      environment.progress().enter("training", before + 1);
      long done = trainer.run(before, step -> after(step, checkpointer));
      checkpointer.finish();
      return done;
    }
  }

  private Optional<Trainer.Pairs> pairs() {
    if (!config.data().isPreference()) {
      return Optional.empty();
    }
    List<RunFolder> folders = new ArrayList<>(List.of(folder));
    continuation.checkpoint().flatMap(RunFolder::ofCheckpoint).ifPresent(folders::add);
    return Optional.of(
        new Trainer.Pairs(
            config.preference(),
            new ReferencePolicy.KeptInFile(folders, continuation.identity(), store),
            rows -> environment.progress().enter("reference", rows)));
  }

  private AnswersOfRanks ofRanks(Job job, AnswerEvaluation own) {
    return new AnswersOfRanks(job.model(), config, lora, store, environment.scratch(), own);
  }

  private Trainer.Next after(long step, Checkpointer checkpointer) {
    memory.sample(Phase.IDLE);
    Trainer.Next next = checkpointer.after(step);
    environment.progress().enter("training", step + 1);
    return next;
  }

  /** Peers' slices stay readable until rank 0 has saved them. */
  private static void finish(Job job) {
    job.model().exchange().sum("saved", job.schedule().totalSteps(), new double[] {0});
  }

  private ExchangeSummary exchanged(Job job) {
    ExchangeStats stats = environment.exchange().stats();
    return new ExchangeSummary(
        stats.bytes(Traffic.MAPPED),
        stats.bytes(Traffic.FROZEN) + stats.bytes(Traffic.PUBLISHED),
        stats.bytes(Traffic.PUSHED) + stats.bytes(Traffic.SERVED),
        stats.secondsWaited() - job.waitedBefore());
  }

  /** Of one pass over the rows, 6 for each parameter and token. */
  private static double flos(Job job) {
    long tokens = (long) job.train().rowLength() * job.train().size();
    return 6.0 * job.model().recipe().config().parameters() * tokens;
  }

  private RankReport report(Job job, List<RankReport.Totals> totals) {
    RankSummary use =
        new RankSummary(
            job.rank(),
            environment.host(),
            memory.peakRssBytes(),
            memory.peakAnonymousBytes(),
            gpuMemory.peakBytes(),
            job.model().shardBytes(),
            exchanged(job),
            memory.anonymousBytesByPhase());
    return new RankReport(
        use, job.clock().seconds(), job.model().ops().torch().times().uses(), totals);
  }

  /** Ranks other than 0 keep no record. */
  private static final class Unrecorded implements TrainingEvents {
    @Override
    public void step(Step step) {
      LOG.debug(String.format(Locale.ROOT, "step %d loss %.4f", step.step(), step.loss()));
    }

    @Override
    public void evaluated(Evaluated evaluated) {
      LOG.debug(String.format(Locale.ROOT, "step %d evaluated", evaluated.step()));
    }
  }
}
