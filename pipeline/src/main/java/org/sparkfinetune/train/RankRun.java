package org.sparkfinetune.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.apache.hadoop.conf.Configuration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.checkpoint.CheckpointManifest;
import org.sparkfinetune.checkpoint.CheckpointStore;
import org.sparkfinetune.config.LoraConfig;
import org.sparkfinetune.config.Method;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.exchange.Exchange;
import org.sparkfinetune.fsdp.WeightSource;
import org.sparkfinetune.metrics.Phase;
import org.sparkfinetune.metrics.RankUse;
import org.sparkfinetune.metrics.RunFiles;
import org.sparkfinetune.metrics.RunFolder;
import org.sparkfinetune.tensor.Torch;
import org.sparkfinetune.tokenize.PackedRows;
import org.sparkfinetune.tokenize.PackedRowsFile;

/** One rank's whole run: load, train, evaluate, save. Knows nothing of Spark. */
public final class RankRun {
  private static final Logger LOG = LoggerFactory.getLogger(RankRun.class);

  private final TrainConfig config;
  private final LoraConfig lora;
  private final Place place;
  private final Continuation continuation;
  private final Configuration hadoop;
  private final RunFolder folder;
  private final RunFiles files;
  private final CheckpointStore checkpoints;
  private final RankMemory memory = new RankMemory();

  /**
   * Where the rank runs.
   *
   * @param threads for operators
   * @param scratch a local folder that may vanish afterwards
   * @param tokenizedPath Hadoop URI of the packed rows
   * @param attempt starts of this run before
   * @param stopRequested whether the run should save and end after the step it is in
   */
  public record Place(
      Exchange exchange,
      String host,
      int threads,
      Path scratch,
      String tokenizedPath,
      int attempt,
      Whereabouts whereabouts,
      BooleanSupplier stopRequested) {}

  /** Told where the rank is, for messages about failures. */
  public interface Whereabouts {
    void enter(String phase, long step);
  }

  public RankRun(TrainConfig config, Place place, Continuation continuation, Configuration hadoop) {
    this.config = config;
    this.lora = TrainableSource.lora(config, hadoop);
    this.place = place;
    this.continuation = continuation;
    this.hadoop = hadoop;
    this.folder = RunFolder.of(config.outputDir());
    this.files = new RunFiles(hadoop, InstantSource.system());
    this.checkpoints = new CheckpointStore(folder, hadoop);
  }

  /** All ranks have to run at the same time. */
  public RankReport run() {
    place.whereabouts().enter("loading", 0);
    Exchange exchange = place.exchange();
    PhaseClock clock = new PhaseClock();
    org.apache.hadoop.fs.Path rows = new org.apache.hadoop.fs.Path(place.tokenizedPath());
    try (Torch torch = Torch.start(place.threads());
        BaseModel base = BaseModel.open(config.model().modelId(), hadoop);
        PackedRows train = PackedRowsFile.copyOf(rows, "train", hadoop, place.scratch());
        PackedRows test = PackedRowsFile.copyOf(rows, "test", hadoop, place.scratch());
        TrainableSource trainable = TrainableSource.of(config, base, hadoop);
        RankModel model = clock.in(Phase.LOAD, () -> load(torch, base, trainable))) {
      StepSchedule schedule =
          new StepSchedule(train.size(), continuation.rowsPerStep(), config.loop(), config.seed());
      Optional<CheckpointManifest> saved =
          continuation.checkpoint().map(path -> restore(model, path));
      if (exchange.rank() != 0) {
        train(model, schedule, saved, Optional.empty(), train, test, clock);
        finish(model, schedule);
        return report(model, clock, List.of());
      }
      checkpoints.sweep();
      try (RunRecorder recorder = recorder(schedule, test.size(), saved)) {
        long done = train(model, schedule, saved, Optional.of(recorder), train, test, clock);
        if (done == schedule.totalSteps()) {
          place.whereabouts().enter("saving", done);
          clock.in(Phase.CHECKPOINT, () -> save(model, done));
        }
        finish(model, schedule);
        double flos = 6.0 * base.config().parameters() * train.rowLength() * train.size();
        RankReport.Totals totals =
            done == schedule.totalSteps() ? recorder.finish(flos) : recorder.totals();
        return report(model, clock, List.of(totals));
      }
    }
  }

  private CheckpointManifest restore(RankModel model, org.apache.hadoop.fs.Path checkpoint) {
    CheckpointManifest manifest = checkpoints.manifest(checkpoint);
    Checkpointer.restore(model, checkpoint, manifest, hadoop);
    return manifest;
  }

  private RunRecorder recorder(
      StepSchedule schedule, int evaluationRows, Optional<CheckpointManifest> saved) {
    RunRecorder.Setting setting =
        new RunRecorder.Setting(
            folder,
            files,
            config.reporting().loggingSteps(),
            schedule.totalSteps(),
            evaluationRows,
            place.attempt() + 1);
    return saved
        .map(from -> RunRecorder.resume(setting, from.step(), from.counters()))
        .orElseGet(() -> RunRecorder.start(setting));
  }

  private RankModel load(Torch torch, BaseModel base, WeightSource trainable) {
    try {
      Files.createDirectories(place.scratch());
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
    Path shard = place.scratch().resolve("shard");
    ModelRecipe recipe = ModelRecipe.of(config, lora, base);
    return RankModel.load(
        recipe,
        torch,
        place.exchange(),
        base.weights(),
        trainable,
        shard,
        (group, bytes) -> LOG.debug("rank {}: {} sharded", place.exchange().rank(), group));
  }

  /** Returns the steps done at the end. */
  private long train(
      RankModel model,
      StepSchedule schedule,
      Optional<CheckpointManifest> saved,
      Optional<RunRecorder> recorder,
      PackedRows train,
      PackedRows test,
      PhaseClock clock) {
    memory.sample();
    TrainingEvents events = recorder.isPresent() ? recorder.get() : new Unrecorded();
    Trainer trainer =
        new Trainer(
            model, schedule, config.optimization(), config.reporting(), train, test, events, clock);
    Checkpointer.Setting setting =
        new Checkpointer.Setting(
            checkpoints,
            hadoop,
            config.checkpointing(),
            continuation,
            recorder,
            place.stopRequested());
    long before = saved.map(CheckpointManifest::step).orElse(0L);
    try (Checkpointer checkpointer = new Checkpointer(model, schedule, setting, clock)) {
      place.whereabouts().enter("training", before + 1);
      long done =
          trainer.run(
              before,
              step -> {
                memory.sample();
                Trainer.Next next = checkpointer.after(step);
                place.whereabouts().enter("training", step + 1);
                return next;
              });
      checkpointer.finish();
      return done;
    }
  }

  private void save(RankModel model, long step) {
    AdapterSaver saver = new AdapterSaver(model, hadoop, step);
    if (config.method() == Method.FULL) {
      saver.model(folder.model());
      ModelFiles.copy(config.model(), folder.model(), hadoop);
    } else {
      saver.adapter(folder.adapter(), config.model(), lora);
    }
  }

  /** Peers' slices stay readable until rank 0 has saved them. */
  private void finish(RankModel model, StepSchedule schedule) {
    model.exchange().sum("saved", schedule.totalSteps(), new double[] {0});
  }

  private RankReport report(RankModel model, PhaseClock clock, List<RankReport.Totals> totals) {
    RankUse use =
        new RankUse(
            model.exchange().rank(),
            place.host(),
            memory.peakRssBytes(),
            memory.peakAnonymousBytes(),
            0,
            model.shardBytes());
    return new RankReport(use, clock.seconds(), totals);
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
