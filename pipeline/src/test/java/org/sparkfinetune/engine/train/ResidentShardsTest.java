package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sparkfinetune.config.Parallelism.ShardingStrategy;
import org.sparkfinetune.engine.fsdp.FrozenLayout;
import org.sparkfinetune.engine.fsdp.ShardRanks;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;

/** How many bytes of frozen weights cross to a device whose memory host code does not see. */
class ResidentShardsTest {
  private static final int STEPS = 2;

  @TempDir Path scratch;

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void what_fits_crosses_once_a_run(int ranks) throws Exception {
    List<Long> copied = copied(ranks, Long.MAX_VALUE);
    for (int step = 1; step <= STEPS; step++) {
      long once = step == 1 ? layersAndHead(ranks) : 0;
      assertThat(copied.get(step - 1)).as("step %s", step).isEqualTo(once + rows(ranks, step));
    }
  }

  @Test
  void without_memory_for_it_a_layer_crosses_for_each_direction_and_the_head_once()
      throws Exception {
    List<Long> copied = copied(2, 0);
    for (int step = 1; step <= STEPS; step++) {
      assertThat(copied.get(step - 1))
          .as("step %s", step)
          .isEqualTo(2 * layers(2) + bytes(2, "norm") + bytes(2, "lm_head") + rows(2, step));
    }
  }

  @Test
  void of_the_first_layer_alone_nothing_crosses_again() throws Exception {
    long first = bytes(2, "layers.0");
    List<Long> copied = copied(2, first);
    List<Long> all = copied(2, 0);
    assertThat(copied.get(0)).isEqualTo(all.get(0) - first);
    assertThat(copied.get(1)).isEqualTo(all.get(1) - 2 * first);
  }

  @ParameterizedTest
  @ValueSource(strings = {"FULL_SHARD", "SHARD_GRAD_OP"})
  void losses_and_weights_do_not_depend_on_it(ShardingStrategy sharding) throws Exception {
    GoldenRun.Result host =
        run().sharded(sharding).on(new ComputeDevice.Cpu()).run(2, STEPS, step -> 2e-3, 0.3, 0.01);
    for (long bytes : new long[] {bytes(2, "layers.0"), Long.MAX_VALUE}) {
      GoldenRun.Result device =
          run().sharded(sharding).resident(bytes).run(2, STEPS, step -> 2e-3, 0.3, 0.01);
      assertThat(device.steps()).isEqualTo(host.steps());
      host.weights().forEach((name, w) -> assertThat(device.weights().get(name)).isEqualTo(w));
    }
  }

  private GoldenRun run() {
    return new GoldenRun(GoldenRun.What.QLORA, Precision.BFLOAT16_STORED, 0.05, scratch)
        .on(new ComputeDevice.Staged());
  }

  /** In each step, by rank 0. */
  private List<Long> copied(int ranks, long resident) {
    return run()
        .resident(resident)
        .onRanks(
            ranks,
            model -> {
              List<Long> until = new ArrayList<>(List.of(0L));
              GoldenRun.train(
                  model,
                  STEPS,
                  step -> 2e-3,
                  0.3,
                  0.01,
                  step -> until.add(model.weights().frozen().copiedBytes()));
              return IntStream.range(1, until.size())
                  .mapToObj(i -> until.get(i) - until.get(i - 1))
                  .toList();
            })
        .get(0);
  }

  private long layersAndHead(int ranks) {
    return layers(ranks) + bytes(ranks, "norm") + bytes(ranks, "lm_head");
  }

  private long layers(int ranks) {
    return IntStream.range(0, GoldenRun.config().numHiddenLayers())
        .mapToLong(layer -> bytes(ranks, "layers." + layer))
        .sum();
  }

  private long bytes(int ranks, String group) {
    List<Integer> all = IntStream.range(0, ranks).boxed().toList();
    FrozenLayout layout = RankModel.plan(run().recipe(), new ShardRanks(all, 0)).layout(group);
    return IntStream.range(0, ranks).mapToLong(layout::sliceBytes).sum();
  }

  /** Rows of the embedding that rank 0 looks up in a step. */
  private static long rows(int ranks, int step) {
    long width = GoldenRun.config().hiddenSize();
    return GoldenRun.batches(GoldenRun.rows(), step, 0, ranks).stream()
        .mapToLong(batch -> Arrays.stream(batch.ids()).distinct().count() * width * Short.BYTES)
        .sum();
  }
}
