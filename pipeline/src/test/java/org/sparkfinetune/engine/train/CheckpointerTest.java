package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.Contents;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.RunIdentity;
import org.sparkfinetune.engine.checkpoint.CheckpointStore;
import org.sparkfinetune.engine.fsdp.TrainableGroup;
import org.sparkfinetune.engine.fsdp.TrainableGroup.StateSlice;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.HostMemory;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.model.safetensors.SafetensorsFile;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.WatchedDisk;

class CheckpointerTest {
  private static final Store STORE = new Store(new Configuration());

  @TempDir Path scratch;

  static List<Arguments> devices() {
    return List.of(
        Arguments.of(new ComputeDevice.Cpu(), 64 << 20),
        Arguments.of(new ComputeDevice.Cpu(), 10_004),
        Arguments.of(new ComputeDevice.Staged(), 64 << 20),
        Arguments.of(new ComputeDevice.Staged(), 10_004));
  }

  @ParameterizedTest
  @MethodSource("devices")
  void what_was_saved_is_restored_to_the_last_bit(ComputeDevice device, long buffers) {
    TrainConfig config = config();
    CheckpointStore checkpoints = new CheckpointStore(RunFolder.of(config.outputDir()), STORE);
    new GoldenRun(GoldenRun.What.QLORA, Precision.FLOAT32, 0, scratch)
        .on(device)
        .withBuffersOf(buffers)
        .onRanks(2, model -> saveAndRestore(model, config, checkpoints));
  }

  private static boolean saveAndRestore(
      RankModel model, TrainConfig config, CheckpointStore checkpoints) {
    StepSchedule schedule = new StepSchedule(8, 4, config.loop(), 1);
    Checkpointer.Setting setting = setting(checkpoints, STORE, config);
    fill(model, 1 + model.exchange().rank());
    Map<String, float[]> saved = state(model);
    try (Checkpointer checkpointer = new Checkpointer(model, schedule, setting, new PhaseClock())) {
      assertThat(checkpointer.after(1)).isEqualTo(Trainer.Next.STEP);
      fill(model, 0);
      checkpointer.finish();
    }
    model.exchange().sum("written", 0, new double[0]);
    CheckpointStore.Found found = checkpoints.newestWhole().orElseThrow();
    Checkpointer.restore(model, found.path(), found.manifest(), STORE);
    Map<String, float[]> restored = state(model);
    assertThat(saved).isNotEmpty();
    saved.forEach((name, values) -> assertThat(restored.get(name)).as(name).isEqualTo(values));
    return true;
  }

  /** {@code save_only_model}: the checkpoint of a run that is stopped holds all, others do not. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void without_the_optimizers_state_only_a_stopped_run_can_go_on(boolean stopped) {
    TrainConfig config = config(scratch.resolve("run").toUri().toString(), "--save_only_model");
    CheckpointStore checkpoints = new CheckpointStore(RunFolder.of(config.outputDir()), STORE);
    new GoldenRun(GoldenRun.What.QLORA, Precision.FLOAT32, 0, scratch)
        .onRanks(2, model -> saveModel(model, config, checkpoints, stopped));
    assertThat(checkpoints.newestWhole().isPresent()).isEqualTo(stopped);
    assertThat(checkpoints.newest(Contents.MODEL).isPresent()).isEqualTo(!stopped);
    assertThat(checkpoints.newest(Contents.WHOLE_STATE).isPresent()).isEqualTo(stopped);
  }

  private static boolean saveModel(
      RankModel model, TrainConfig config, CheckpointStore checkpoints, boolean stopped) {
    StepSchedule schedule = new StepSchedule(8, 4, config.loop(), 1);
    Checkpointer.Setting setting = setting(checkpoints, STORE, config, () -> stopped);
    fill(model, 1 + model.exchange().rank());
    Map<String, float[]> saved = state(model);
    try (Checkpointer checkpointer = new Checkpointer(model, schedule, setting, new PhaseClock())) {
      assertThat(checkpointer.after(1)).isEqualTo(stopped ? Trainer.Next.STOP : Trainer.Next.STEP);
      fill(model, 0);
      checkpointer.finish();
    }
    model.exchange().sum("written", 0, new double[0]);
    Map<String, float[]> filled = state(model);
    org.apache.hadoop.fs.Path path = RunFolder.of(config.outputDir()).checkpoint(1);
    Checkpointer.restore(model, path, checkpoints.manifest(path), STORE);
    Map<String, float[]> restored = state(model);
    restored.forEach(
        (name, values) ->
            assertThat(values)
                .as(name)
                .isEqualTo((stopped || name.startsWith("parameters") ? saved : filled).get(name)));
    return true;
  }

  static Checkpointer.Setting setting(
      CheckpointStore checkpoints, Store store, TrainConfig config) {
    return setting(checkpoints, store, config, () -> false);
  }

  private static Checkpointer.Setting setting(
      CheckpointStore checkpoints, Store store, TrainConfig config, BooleanSupplier stop) {
    return new Checkpointer.Setting(
        checkpoints,
        store,
        config.checkpointing(),
        new ResumeState(new RunIdentity(new TreeMap<>()), 4, Optional.empty()),
        Optional.empty(),
        new BestEvaluation(config.best()),
        stop);
  }

  @Test
  void a_writer_that_its_store_does_not_let_go_keeps_what_it_writes() throws Exception {
    Store store = new Store(new Configuration());
    store.hadoop().setClass("fs.stuck.impl", StuckStore.class, FileSystem.class);
    StuckStore.letGo = new CountDownLatch(1);
    TrainConfig config = config("stuck:" + scratch.resolve("run"));
    CheckpointStore checkpoints = new CheckpointStore(RunFolder.of(config.outputDir()), store);
    Map<String, float[]> saved =
        new GoldenRun(GoldenRun.What.QLORA, Precision.FLOAT32, 0, scratch)
            .onRanks(1, model -> saveAndGiveUp(model, config, setting(checkpoints, store, config)))
            .get(0);
    // The model's memory is gone, and libtorch is closed.
    StuckStore.letGo.countDown();
    await()
        .until(
            () ->
                Thread.getAllStackTraces().keySet().stream()
                    .noneMatch(thread -> thread.getName().equals("checkpoint-writer")));
    try (SafetensorsFile file =
        SafetensorsFile.open(
            new org.apache.hadoop.fs.Path(
                checkpoints.newestWhole().orElseThrow().path(), "rank-00000-of-00001.safetensors"),
            store)) {
      for (Map.Entry<String, float[]> part : saved.entrySet()) {
        ByteBuffer bytes = ByteBuffer.allocate(part.getValue().length * Float.BYTES);
        file.read(part.getKey(), 0, bytes);
        float[] written = new float[part.getValue().length];
        bytes.flip().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(written);
        assertThat(written).as(part.getKey()).isEqualTo(part.getValue());
      }
    }
  }

  private static Map<String, float[]> saveAndGiveUp(
      RankModel model, TrainConfig config, Checkpointer.Setting setting) {
    fill(model, 3);
    Map<String, float[]> saved = state(model);
    StepSchedule schedule = new StepSchedule(8, 4, config.loop(), 1);
    try (Checkpointer checkpointer =
        new Checkpointer(
            model, schedule, setting, new PhaseClock(), java.time.Duration.ofMillis(50))) {
      checkpointer.after(1);
      await().until(() -> StuckStore.stuck);
    }
    return saved;
  }

  /** The local disk, where writing waits, and an interrupt changes nothing. */
  static final class StuckStore extends WatchedDisk {
    static volatile CountDownLatch letGo;
    static volatile boolean stuck;

    @Override
    protected FSDataOutputStream create(org.apache.hadoop.fs.Path file, Usual usual)
        throws IOException {
      if (file.getName().contains("rank-")) {
        stuck = true;
        while (letGo.getCount() > 0) {
          LockSupport.parkNanos(1_000_000);
          boolean unused = Thread.interrupted();
        }
      }
      return usual.create();
    }
  }

  private static void fill(RankModel model, int seed) {
    HostMemory hostMemory = model.ops().hostMemory();
    for (TrainableGroup group : model.weights().trainable()) {
      for (StateSlice slice : group.state().values()) {
        hostMemory.write(
            slice.values(), (first, bytes) -> fill(bytes.asFloatBuffer(), first, seed));
      }
    }
  }

  private static void fill(FloatBuffer values, long first, int seed) {
    for (int i = 0; i < values.limit(); i++) {
      values.put(i, (float) Math.sin(seed * (first + i + 1)));
    }
  }

  private static Map<String, float[]> state(RankModel model) {
    Map<String, float[]> state = new TreeMap<>();
    for (TrainableGroup group : model.weights().trainable()) {
      group
          .state()
          .forEach((name, slice) -> state.put(name, ModelNumbers.floats(model, slice.values())));
    }
    return state;
  }

  private TrainConfig config() {
    return config(scratch.resolve("run").toUri().toString());
  }

  private static TrainConfig config(String run, String... more) {
    String words =
        "--model_id m --dataset_path d --save_strategy steps --save_steps 1 --max_steps 2";
    List<String> all = new ArrayList<>(List.of(words.split(" ")));
    all.addAll(List.of("--output_dir", run));
    all.addAll(List.of(more));
    return new ConfigLoader(STORE.hadoop()).train(Optional.empty(), all).config();
  }
}
