package org.sparkfinetune.spark.train;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import org.apache.hadoop.fs.Path;
import org.apache.spark.util.LongAccumulator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.ModelSource;
import org.sparkfinetune.data.tokenize.PackedRows.SourceRows;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.RunIdentity;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.train.AnswerEvaluation;
import org.sparkfinetune.engine.train.RankReport;
import org.sparkfinetune.engine.train.RankRun;
import org.sparkfinetune.engine.train.ResumeState;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.model.family.DecoderConfig;
import org.sparkfinetune.plan.Residency;
import org.sparkfinetune.spark.cluster.BarrierStage.RankTask;
import org.sparkfinetune.spark.cluster.RankContext;
import org.sparkfinetune.spark.cluster.RankDevice;
import org.sparkfinetune.store.Store;

/**
 * A rank's run as it travels to an executor: where the resolved configuration lies, the model and
 * the rows.
 */
public final class TrainTask implements RankTask {
  private static final long serialVersionUID = 1L;

  private static final Logger LOG = LoggerFactory.getLogger(TrainTask.class);

  private final String configFile;
  private final String modelId;
  private final String revision;
  private final String modelFolder;
  private final @Nullable String adapter;
  private final String tokenizedPath;
  private final ArrayList<SourceRows> testSources;
  private final Store store;
  private final TreeMap<String, String> identity;
  private final int rowsPerStep;
  private final @Nullable String checkpoint;
  private final LongAccumulator loadedLayers;
  private final @Nullable RunAnswers answers;

  /**
   * @param testSources see {@link RankRun.Environment}
   * @param loadedLayers counts layers of all ranks
   * @param answers what evaluations ask, if they do
   */
  public TrainTask(
      String configFile,
      ModelSource model,
      String tokenizedPath,
      List<SourceRows> testSources,
      Store store,
      ResumeState continuation,
      LongAccumulator loadedLayers,
      Optional<RunAnswers> answers) {
    this.configFile = configFile;
    this.modelId = model.modelId();
    this.revision = model.revision();
    this.modelFolder = model.folder();
    this.adapter = model.adapter().orElse(null);
    this.tokenizedPath = tokenizedPath;
    this.testSources = new ArrayList<>(testSources);
    this.store = store;
    this.identity = new TreeMap<>(continuation.identity().values());
    this.rowsPerStep = continuation.rowsPerStep();
    this.checkpoint = continuation.checkpoint().map(Path::toString).orElse(null);
    this.loadedLayers = loadedLayers;
    this.answers = answers.orElse(null);
  }

  @Override
  public byte[] run(RankContext context) throws IOException {
    TrainConfig config =
        new ConfigLoader(store.hadoop())
            .train(Optional.of(configFile), List.of())
            .config()
            .with(model());
    Optional<AnswerEvaluation> measures =
        Optional.ofNullable(answers)
            .map(asked -> asked.open(config, context.cores(), context.scratch()));
    try {
      return run(context, config, measures);
    } finally {
      measures.ifPresent(AnswerEvaluation::close);
    }
  }

  private byte[] run(RankContext context, TrainConfig config, Optional<AnswerEvaluation> measures)
      throws IOException {
    ComputeDevice device = new RankDevice().choose(config.compute(), RankDevice.Asking.of(context));
    RankRun.Environment environment =
        new RankRun.Environment(
            context.exchange(),
            context.host(),
            context.cores(),
            device,
            model -> residentBytes(config, model, device, context.exchange().worldSize()),
            context.scratch(),
            tokenizedPath,
            testSources,
            measures,
            context.attempt(),
            progressListener(context),
            stopRequested(context, config));
    ResumeState continuation =
        new ResumeState(
            new RunIdentity(identity), rowsPerStep, Optional.ofNullable(checkpoint).map(Path::new));
    RankReport report = new RankRun(config, environment, continuation, store).run();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(report);
    }
    return bytes.toByteArray();
  }

  /** What of the frozen weights may stay on a rank's GPU; none on a CPU, whose memory all share. */
  private static long residentBytes(
      TrainConfig config, DecoderConfig model, ComputeDevice device, int ranks) {
    if (!(device instanceof ComputeDevice.Cuda)) {
      return 0;
    }
    OptionalLong memory = device.memory();
    if (memory.isEmpty()) {
      LOG.warn(
          "{}: nvidia-smi does not say how much memory it has, so all frozen weights are copied to it for each use.",
          device.text());
      return 0;
    }
    Residency resident = Residency.of(config, model, memory.getAsLong(), ranks);
    LOG.info("{}: {}", device.text(), resident.text());
    return resident.room();
  }

  private RankRun.ProgressListener progressListener(RankContext context) {
    return new RankRun.ProgressListener() {
      @Override
      public void enter(String phase, long step) {
        context.progress().enter(phase, step);
      }

      @Override
      public void layerLoaded() {
        loadedLayers.add(1);
      }
    };
  }

  /** With the run folder: its report, its TensorBoard and its metrics are there. */
  @Override
  public String description() {
    return "train " + new Path(configFile).getParent();
  }

  private ModelSource model() {
    return new ModelSource(
        modelId, revision, Optional.empty(), Optional.ofNullable(adapter), modelFolder);
  }

  /** By the driver, through a file that rank 0 looks for, or by Spark, which tells every task. */
  private BooleanSupplier stopRequested(RankContext context, TrainConfig config) {
    if (context.rank() != 0) {
      return context.cancelled();
    }
    BooleanSupplier asked = new StopRequest(RunFolder.of(config.outputDir()), store).polled();
    return () -> context.cancelled().getAsBoolean() || asked.getAsBoolean();
  }

  /** What {@link #run} gave. */
  public static RankReport report(byte[] bytes) {
    try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes))) {
      return (RankReport) in.readObject();
    } catch (IOException | ClassNotFoundException e) {
      throw new Bug("A rank's report cannot be read.", e);
    }
  }
}
