package org.sparkfinetune.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.checkpoint.CheckpointStore;
import org.sparkfinetune.checkpoint.RunIdentity;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.fsdp.TrainableGroup;
import org.sparkfinetune.metrics.RunFiles;
import org.sparkfinetune.metrics.RunFolder;
import org.sparkfinetune.tensor.ComputeDevice;
import org.sparkfinetune.tensor.Staging;
import org.sparkfinetune.tensor.Tensor;

class CheckpointerTest {
  private static final Configuration HADOOP = new Configuration();

  @TempDir Path scratch;

  static List<ComputeDevice> devices() {
    return List.of(new ComputeDevice.Cpu(), new ComputeDevice.Staged());
  }

  @ParameterizedTest
  @MethodSource("devices")
  void what_was_saved_is_restored_to_the_last_bit(ComputeDevice device) {
    TrainConfig config = config();
    CheckpointStore store =
        new CheckpointStore(
            RunFolder.of(config.outputDir()), new RunFiles(HADOOP, InstantSource.system()));
    new GoldenRun(GoldenRun.What.QLORA, Precision.FLOAT32, 0, scratch)
        .on(device)
        .onRanks(2, model -> saveAndRestore(model, config, store));
  }

  private static boolean saveAndRestore(
      RankModel model, TrainConfig config, CheckpointStore store) {
    StepSchedule schedule = new StepSchedule(8, 4, config.loop(), 1);
    Checkpointer.Setting setting =
        new Checkpointer.Setting(
            store,
            HADOOP,
            config.checkpointing(),
            new Continuation(new RunIdentity(new TreeMap<>()), 4, Optional.empty()),
            Optional.empty(),
            () -> false);
    fill(model, 1 + model.exchange().rank());
    Map<String, float[]> saved = state(model);
    try (Checkpointer checkpointer = new Checkpointer(model, schedule, setting, new PhaseClock())) {
      assertThat(checkpointer.after(1)).isEqualTo(Trainer.Next.STEP);
      fill(model, 0);
      checkpointer.finish();
    }
    model.exchange().sum("written", 0, new double[0]);
    CheckpointStore.Found found = store.newestWhole().orElseThrow();
    Checkpointer.restore(model, found.path(), found.manifest(), HADOOP);
    Map<String, float[]> restored = state(model);
    assertThat(saved).isNotEmpty();
    saved.forEach((name, values) -> assertThat(restored.get(name)).as(name).isEqualTo(values));
    return true;
  }

  private static void fill(RankModel model, int seed) {
    Staging staging = model.ops().staging();
    for (TrainableGroup group : model.weights().trainable()) {
      for (Tensor tensor : group.state().values()) {
        staging.write(tensor, bytes -> fill(bytes.asFloatBuffer(), seed));
      }
    }
  }

  private static void fill(FloatBuffer values, int seed) {
    for (int i = 0; i < values.limit(); i++) {
      values.put(i, (float) Math.sin(seed * (i + 1)));
    }
  }

  private static Map<String, float[]> state(RankModel model) {
    Map<String, float[]> state = new TreeMap<>();
    for (TrainableGroup group : model.weights().trainable()) {
      group.state().forEach((name, x) -> state.put(name, GoldenRun.floats(model, x)));
    }
    return state;
  }

  private TrainConfig config() {
    String run = scratch.resolve("run").toUri().toString();
    String words =
        "--model_id m --dataset_path d --save_strategy steps --save_steps 1 --max_steps 2";
    List<String> all = new ArrayList<>(List.of(words.split(" ")));
    all.addAll(List.of("--output_dir", run));
    return new ConfigLoader(HADOOP).train(Optional.empty(), all).config();
  }
}
