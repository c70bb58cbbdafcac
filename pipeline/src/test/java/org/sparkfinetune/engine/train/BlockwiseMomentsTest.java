package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.config.ConfigLoader;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.checkpoint.CheckpointStore;
import org.sparkfinetune.engine.fsdp.AdamMoments;
import org.sparkfinetune.engine.fsdp.TrainableGroup;
import org.sparkfinetune.engine.fsdp.TrainableLayout;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.Ops;
import org.sparkfinetune.engine.tensor.Ops.AdamWStep;
import org.sparkfinetune.engine.tensor.Scope;
import org.sparkfinetune.engine.tensor.Tensor;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.store.Store;

/** All weights of the golden model by gradients that are made up, so that ranks add up the same. */
class BlockwiseMomentsTest {
  private static final Store STORE = new Store(new Configuration());
  private static final long LAST = 4;

  @TempDir Path scratch;

  private GoldenRun golden(AdamMoments.Type type) {
    return new GoldenRun(GoldenRun.What.FULL, Precision.FLOAT32, 0, scratch).with(type);
  }

  /** The gradient is rank 0's; the others have none. */
  private static void step(RankModel model, long step) {
    Ops ops = model.ops();
    try (Scope scope = ops.torch().scope()) {
      for (TrainableGroup group : model.weights().trainable()) {
        long elements = group.layout().sliceElements() * model.exchange().worldSize();
        Tensor flat = ops.hostMemory().empty(scope, ElementType.FLOAT32, elements);
        var values = flat.bytes().asFloatBuffer();
        values.put(new float[(int) elements]);
        for (TrainableLayout.Entry entry : group.layout().entries()) {
          for (int i = 0; model.exchange().rank() == 0 && i < entry.tensor().elements(); i++) {
            double size = Math.exp(8 * Math.cos(0.37 * i) - 8);
            values.put((int) entry.at() + i, (float) (size * Math.sin(step + 1.7 * i)));
          }
        }
        var sent = group.reduceScatter(flat, step);
        assertThat(group.finishGradient()).isNotNegative();
        sent.join();
      }
      for (TrainableGroup group : model.weights().trainable()) {
        group.update(scope, new AdamWStep(0.5, 1e-2, 0.1, 0.9, 0.999, 1e-8, step), 1);
        group.publish(step);
      }
    }
  }

  private static Map<String, float[]> steps(RankModel model, long from) {
    for (long step = from; step <= LAST; step++) {
      step(model, step);
    }
    return ModelNumbers.weights(model, LAST);
  }

  private static void assertThatAllAreEqual(Map<String, float[]> some, Map<String, float[]> more) {
    assertThat(some.keySet()).isEqualTo(more.keySet()).isNotEmpty();
    some.forEach((name, values) -> assertThat(values).as(name).isEqualTo(more.get(name)));
  }

  @ParameterizedTest
  @CsvSource({"1, 2", "1, 3", "2, 1", "3, 2", "2, 7"})
  void another_number_of_ranks_and_a_checkpoint_between_change_no_bit(int before, int after) {
    Map<String, float[]> uninterrupted =
        golden(AdamMoments.Type.BLOCKWISE_8BIT).onRanks(1, model -> steps(model, 1)).get(0);
    TrainConfig config = config(scratch.resolve("run").toUri().toString());
    CheckpointStore checkpoints = new CheckpointStore(RunFolder.of(config.outputDir()), STORE);
    golden(AdamMoments.Type.BLOCKWISE_8BIT)
        .onRanks(before, model -> save(model, config, checkpoints));
    CheckpointStore.Found found = checkpoints.newestWhole().orElseThrow();
    for (ComputeDevice device : List.of(new ComputeDevice.Cpu(), new ComputeDevice.Staged())) {
      Map<String, float[]> resumed =
          golden(AdamMoments.Type.BLOCKWISE_8BIT)
              .on(device)
              .withBuffersOf(10_004)
              .onRanks(
                  after,
                  model -> {
                    Checkpointer.restore(model, found.path(), found.manifest(), STORE);
                    model.weights().trainable().forEach(group -> group.publish(2));
                    return steps(model, 3);
                  })
              .get(0);
      assertThatAllAreEqual(resumed, uninterrupted);
    }
  }

  private static boolean save(RankModel model, TrainConfig config, CheckpointStore checkpoints) {
    step(model, 1);
    step(model, 2);
    StepSchedule schedule = new StepSchedule(8, 4, config.loop(), 1);
    Checkpointer.Setting setting = CheckpointerTest.setting(checkpoints, STORE, config);
    try (Checkpointer checkpointer = new Checkpointer(model, schedule, setting, new PhaseClock())) {
      checkpointer.after(2);
      checkpointer.finish();
    }
    model.exchange().sum("written", 0, new double[0]);
    return true;
  }

  private static TrainConfig config(String run) {
    String words =
        "--model_id m --dataset_path d --save_strategy steps --save_steps 1 --max_steps 4";
    List<String> all = new ArrayList<>(List.of(words.split(" ")));
    all.addAll(List.of("--output_dir", run));
    return new ConfigLoader(STORE.hadoop()).train(Optional.empty(), all).config();
  }

  /** Bytes of moments, by the element type of their tensors. */
  private static Map<ElementType, Long> bytes(RankModel model) {
    Map<ElementType, Long> bytes = new TreeMap<>();
    for (TrainableGroup group : model.weights().trainable()) {
      group
          .state()
          .forEach(
              (name, slice) -> {
                if (!name.startsWith("parameters/")) {
                  ElementType type = slice.values().type();
                  bytes.merge(type, slice.values().elements() * type.bytes(), Long::sum);
                }
              });
    }
    return bytes;
  }

  /** 45056 weights of gate, up and down; 16384 of q and o; 4096 of k and v; 40960 of the head. */
  @Test
  void codes_take_two_bytes_an_element_and_small_tensors_and_embeddings_eight() {
    long coded = 3 * (3 * 45056 + 2 * 16384 + 2 * 4096) + 40960;
    long plain = 40960 + 7 * 256;
    for (int ranks : new int[] {1, 3}) {
      Map<ElementType, Long> sum = new TreeMap<>();
      golden(AdamMoments.Type.BLOCKWISE_8BIT)
          .onRanks(ranks, BlockwiseMomentsTest::bytes)
          .forEach(own -> own.forEach((type, bytes) -> sum.merge(type, bytes, Long::sum)));
      assertThat(sum)
          .containsExactly(
              Map.entry(ElementType.UINT8, 2 * coded),
              Map.entry(ElementType.FLOAT32, 2 * coded / 256 * 4 + 2 * plain * 4));
    }
    Map<ElementType, Long> floats =
        golden(AdamMoments.Type.FLOAT32).onRanks(1, BlockwiseMomentsTest::bytes).get(0);
    assertThat(floats.keySet()).containsExactly(ElementType.FLOAT32);
    assertThat(Stream.of(floats.get(ElementType.FLOAT32)).toList())
        .containsExactly(8 * (coded + 40960 + 7 * 128));
  }
}
