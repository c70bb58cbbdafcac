package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.aggregator.ArgumentsAccessor;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.config.Parallelism.ShardingStrategy;
import org.sparkfinetune.config.TrainConfig.Regularization;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.DeviceSizes;
import org.sparkfinetune.engine.tensor.LayerInputs.LayerKeep;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;

/** Training where host code sees no tensor's memory: all that CUDA needs, but for its kernels. */
class StagedDeviceParityTest {
  private static final ComputeDevice STAGED = new ComputeDevice.Staged();

  /** A row at a time, a few rows of the head, blocks that are too short for what is kept. */
  private static final DeviceSizes FEW = new DeviceSizes(1, 1, 1, 1, 1 << 10, 1 << 10, 256);

  @TempDir Path scratch;

  @ParameterizedTest
  @CsvSource(textBlock = DeviceCases.CASES)
  void losses_norms_and_weights_are_those_of_the_reference(ArgumentsAccessor row) throws Exception {
    DeviceCases.compare(row, STAGED, scratch);
  }

  @ParameterizedTest
  @CsvSource({
    "qlora-float32, model, qlora, false, 2, 1e-4, 1e-3",
    "biased-embed_tokens-lm_head, biased, lora, false, 2, 1e-4, 1e-3",
    "tied-full, tied, full, false, 2, 1e-4, 1e-3",
  })
  void how_much_goes_through_operators_at_a_time_changes_only_the_order_of_sums(
      ArgumentsAccessor row) throws Exception {
    DeviceCases.compare(row, new ComputeDevice.Staged(FEW), scratch.resolve("few"));
    DeviceCases.compare(row, new ComputeDevice.Staged(DeviceSizes.OF_GPU), scratch.resolve("gpu"));
  }

  @ParameterizedTest
  @CsvSource({
    "QLORA, 1, false, NOTHING, IN_MEMORY, FULL_SHARD",
    "QLORA, 2, true, ATTENTION, IN_A_FILE, FULL_SHARD",
    "QLORA, 2, false, NOTHING, IN_MEMORY, SHARD_GRAD_OP",
    "QLORA, 3, false, EVERYTHING, IN_MEMORY, NO_SHARD",
    "LORA, 2, true, EVERYTHING, IN_A_FILE, FULL_SHARD",
    "FULL, 1, false, NOTHING, IN_MEMORY, FULL_SHARD",
    "FULL, 3, true, NOTHING, IN_A_FILE, FULL_SHARD",
  })
  void losses_norms_and_weights_are_the_cpus_to_the_last_bit(
      GoldenRun.What what,
      int ranks,
      boolean bf16,
      LayerKeep keep,
      ModelRecipe.Inputs inputs,
      ShardingStrategy sharding)
      throws Exception {
    Precision precision = bf16 ? Precision.BFLOAT16_STORED : Precision.FLOAT32;
    GoldenRun run =
        new GoldenRun(what, precision, what == GoldenRun.What.FULL ? 0 : 0.05, scratch)
            .regularized(new Regularization(0.1, Optional.of(5.0)))
            .keeping(keep, inputs)
            .sharded(sharding);
    GoldenRun.Result cpu = run.run(ranks, 3, step -> 2e-3, 0.3, 0.01);
    GoldenRun.Result staged = run.on(STAGED).run(ranks, 3, step -> 2e-3, 0.3, 0.01);
    assertThat(staged.steps()).isEqualTo(cpu.steps());
    cpu.weights().forEach((name, w) -> assertThat(staged.weights().get(name)).isEqualTo(w));
  }
}
