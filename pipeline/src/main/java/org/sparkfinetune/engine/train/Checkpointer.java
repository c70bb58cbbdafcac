package org.sparkfinetune.engine.train;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.config.TrainConfig.Checkpointing;
import org.sparkfinetune.config.TrainConfig.IntervalStrategy;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.Contents;
import org.sparkfinetune.engine.checkpoint.CheckpointStore;
import org.sparkfinetune.engine.checkpoint.SavedState;
import org.sparkfinetune.engine.checkpoint.StateFile;
import org.sparkfinetune.engine.exchange.ProcessGroup;
import org.sparkfinetune.engine.fsdp.TrainableGroup;
import org.sparkfinetune.engine.fsdp.TrainableGroup.StateSlice;
import org.sparkfinetune.engine.metrics.Summary.Phase;
import org.sparkfinetune.engine.tensor.HostMemory;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.store.Heartbeat;
import org.sparkfinetune.store.Store;

/**
 * Saves a run's state after the steps that are due, and when the run is asked to stop. Training
 * waits only while this rank's slice is copied; writing, and on rank 0 waiting for the others and
 * publishing the manifest, is done by a thread beside it.
 */
final class Checkpointer implements Trainer.AfterStep, AutoCloseable {
  private static final String RECEIPT = "checkpoint";
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final RankModel model;
  private final CheckpointStore checkpoints;
  private final Store store;
  private final Checkpointing settings;
  private final StepSchedule schedule;
  private final ResumeState continuation;
  private final Optional<RunRecorder> recorder;
  private final BestEvaluation best;
  private final BooleanSupplier stopRequested;
  private final PhaseClock clock;
  private final Map<String, Tensor> copies = new LinkedHashMap<>();

  /** Copies are tensors: a JVM allows itself only as much memory outside its heap as inside. */
  private final Scope scope;

  private final Duration patience;

  private final ExecutorService writer =
      Executors.newSingleThreadExecutor(Heartbeat.daemons("checkpoint-writer"));
  private CompletableFuture<Void> writing = CompletableFuture.completedFuture(null);

  /**
   * What a run gives its checkpoints.
   *
   * @param recorder of rank 0
   * @param best what of the run may be its result
   * @param stopRequested whether the run should end after this step; one rank's yes is enough
   */
  record Setting(
      CheckpointStore checkpoints,
      Store store,
      Checkpointing settings,
      ResumeState continuation,
      Optional<RunRecorder> recorder,
      BestEvaluation best,
      BooleanSupplier stopRequested) {}

  Checkpointer(RankModel model, StepSchedule schedule, Setting setting, PhaseClock clock) {
    this(model, schedule, setting, clock, PATIENCE);
  }

  /**
   * @param patience for the writer to end after a failure
   */
  Checkpointer(
      RankModel model,
      StepSchedule schedule,
      Setting setting,
      PhaseClock clock,
      Duration patience) {
    this.model = model;
    this.checkpoints = setting.checkpoints();
    this.store = setting.store();
    this.settings = setting.settings();
    this.schedule = schedule;
    this.continuation = setting.continuation();
    this.recorder = setting.recorder();
    this.best = setting.best();
    this.stopRequested = setting.stopRequested();
    this.clock = clock;
    this.scope = model.ops().torch().scope();
    this.patience = patience;
    if (settings.saveStrategy() != IntervalStrategy.NO || best.mayBeKept()) {
      // Takes the memory at the start: a run that has room for its first step has room to save.
      copy(due());
    }
  }

  /** What a checkpoint holds that comes in its turn; that of a run that is stopped holds all. */
  private Contents due() {
    return settings.saveOnlyModel() ? Contents.MODEL : Contents.WHOLE_STATE;
  }

  private static Map<String, StateSlice> parts(TrainableGroup group, Contents contents) {
    return switch (contents) {
      case WHOLE_STATE -> group.state();
      case MODEL -> group.parameters();
    };
  }

  /**
   * Puts a checkpoint's state into this rank's slices, whatever number of ranks wrote it; where it
   * holds the model alone, the optimizer's state stays as it is.
   */
  static void restore(RankModel model, Path checkpoint, CheckpointManifest manifest, Store store) {
    try (SavedState saved = SavedState.open(checkpoint, manifest, store)) {
      for (TrainableGroup group : model.weights().trainable()) {
        parts(group, manifest.contents())
            .forEach(
                (name, slice) ->
                    model
                        .ops()
                        .hostMemory()
                        .write(
                            slice.values(),
                            (at, bytes) ->
                                saved.read(
                                    name, stored(slice.values()), slice.first() + at, bytes)));
      }
    }
  }

  @Override
  public Trainer.Next after(long step) {
    ProcessGroup exchange = model.exchange();
    double[] own = {stopRequested.getAsBoolean() ? 1 : 0};
    boolean stop = exchange.sum("stop", step, own)[0] > 0 && step < schedule.totalSteps();
    if (writing.isDone()) {
      // A failed save must not stay unnoticed until the next one.
      exchange.await(writing);
    }
    if (stop
        || best.isToBeKept(step)
        || schedule.isDue(settings.saveStrategy(), settings.saveSteps(), step)) {
      clock.in(Phase.CHECKPOINT, () -> save(step, stop ? Contents.WHOLE_STATE : due()));
    }
    return stop ? Trainer.Next.STOP : Trainer.Next.STEP;
  }

  private void save(long step, Contents contents) {
    model.exchange().await(writing);
    List<StateFile.Part> parts = copy(contents);
    recorder.ifPresent(RunRecorder::flush);
    Map<String, Double> counters = new TreeMap<>(best.counters());
    recorder.map(RunRecorder::counters).ifPresent(counters::putAll);
    OptionalLong result = best.resultingStep();
    writing =
        CompletableFuture.runAsync(() -> write(step, contents, parts, counters, result), writer);
  }

  private List<StateFile.Part> copy(Contents contents) {
    List<StateFile.Part> parts = new ArrayList<>();
    for (TrainableGroup group : model.weights().trainable()) {
      parts(group, contents)
          .forEach(
              (name, slice) -> {
                HostMemory hostMemory = model.ops().hostMemory();
                Tensor copy = copies.computeIfAbsent(name, n -> memory(slice.values()));
                hostMemory.copy(copy, slice.values());
                parts.add(
                    new StateFile.Part(
                        name, stored(copy), hostMemory.buffers(copy, 0, copy.elements())));
              });
    }
    return parts;
  }

  private static DType stored(Tensor tensor) {
    return switch (tensor.type()) {
      case FLOAT32 -> DType.F32;
      case UINT8 -> DType.U8;
      case INT64, FLOAT64, BFLOAT16 ->
          throw new Bug("A checkpoint was given state of type " + tensor.type() + ".");
    };
  }

  private Tensor memory(Tensor tensor) {
    return model.ops().hostMemory().empty(scope, tensor.type(), tensor.shape());
  }

  private void write(
      long step,
      Contents contents,
      List<StateFile.Part> parts,
      Map<String, Double> counters,
      OptionalLong result) {
    ProcessGroup exchange = model.exchange();
    int rank = exchange.rank();
    StateFile file =
        StateFile.write(checkpoints.writing(step), store, rank, exchange.worldSize(), parts);
    String receipt = "%s %s %s".formatted(file.name(), file.bytes(), file.crc32c());
    ByteBuffer bytes = ByteBuffer.wrap(receipt.getBytes(StandardCharsets.UTF_8));
    exchange.await(exchange.push(0, RECEIPT, step, bytes));
    if (rank == 0) {
      List<StateFile> files =
          exchange.await(exchange.pushed(RECEIPT, step)).stream().map(this::received).toList();
      checkpoints.commit(
          new CheckpointManifest(
              step,
              continuation.rowsPerStep(),
              continuation.identity(),
              counters,
              contents,
              files));
      checkpoints.prune(settings.saveTotalLimit(), result);
    }
  }

  private StateFile received(ByteBuffer receipt) {
    String[] words = StandardCharsets.UTF_8.decode(receipt.duplicate()).toString().split(" ");
    model.exchange().recycle(receipt);
    return new StateFile(words[0], Long.parseLong(words[1]), Long.parseLong(words[2]));
  }

  /** Waits until what was begun is visible. */
  void finish() {
    clock.in(Phase.CHECKPOINT, () -> model.exchange().await(writing));
  }

  /**
   * After a failure what is being written is given up. A writer that its store does not let go
   * keeps the copies.
   */
  @Override
  public void close() {
    writer.shutdownNow();
    if (hasEnded()) {
      scope.close();
    } else {
      scope.abandon(
          "a checkpoint is still being written %s s after it was given up"
              .formatted(patience.toSeconds()));
    }
  }

  /** An interrupt, which may be why the run ends, does not make the writer end sooner. */
  private boolean hasEnded() {
    boolean interrupted = false;
    long end = System.nanoTime() + patience.toNanos();
    try {
      while (true) {
        try {
          return writer.awaitTermination(end - System.nanoTime(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
