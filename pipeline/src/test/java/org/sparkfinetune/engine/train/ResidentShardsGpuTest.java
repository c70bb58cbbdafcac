package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;
import org.sparkfinetune.testing.Cuda;

/** Copies on a stream of their own, beside computing. */
class ResidentShardsGpuTest {
  @TempDir Path scratch;

  @Test
  void where_weights_lie_changes_no_bit_and_neither_does_another_run() throws Exception {
    ComputeDevice gpu = Cuda.assumed();
    GoldenRun.Result streamed = run(gpu, 0);
    for (long resident : new long[] {0, Long.MAX_VALUE}) {
      GoldenRun.Result other = run(gpu, resident);
      assertThat(other.steps()).isEqualTo(streamed.steps());
      streamed.weights().forEach((name, w) -> assertThat(other.weights().get(name)).isEqualTo(w));
    }
  }

  private GoldenRun.Result run(ComputeDevice gpu, long resident) throws Exception {
    return new GoldenRun(GoldenRun.What.QLORA, Precision.BFLOAT16, 0.05, scratch)
        .on(gpu)
        .resident(resident)
        .run(2, 4, step -> 2e-3, 0.3, 0.01);
  }
}
