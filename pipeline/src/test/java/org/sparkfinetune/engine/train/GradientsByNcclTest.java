package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.Parallelism.DdpBackend;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.FakeNccl;
import org.sparkfinetune.engine.tensor.FakeNccl.Fate;
import org.sparkfinetune.engine.train.ModelRecipe.Precision;

/** Training with gradients that go from device to device. */
@Timeout(60)
class GradientsByNcclTest {
  private static final int RANKS = 2;
  private static final int STEPS = 2;

  @TempDir Path scratch;

  @Test
  void losses_and_weights_are_those_of_the_way_by_the_host() throws Exception {
    GoldenRun.What what = GoldenRun.What.FULL;
    GoldenRun.Result host = run(golden(what));
    FakeNccl nccl = new FakeNccl(RANKS);
    assertThatAllIsEqual(run(golden(what).exchangingBy(DdpBackend.NCCL, nccl::library)), host);
    assertThat(nccl.violations()).isEmpty();
    assertThat(nccl.ends()).containsOnly("DESTROYED");
    long trained = host.weights().values().stream().mapToLong(w -> w.length).sum();
    // Each rank sends what it has of each gradient, and zeros that fill slices up.
    assertThat(nccl.moved()).isGreaterThanOrEqualTo(trained * RANKS * STEPS);
  }

  private static void assertThatAllIsEqual(GoldenRun.Result some, GoldenRun.Result other) {
    assertThat(some.steps()).isEqualTo(other.steps());
    assertThat(some.weights().keySet()).isEqualTo(other.weights().keySet());
    other.weights().forEach((name, w) -> assertThat(some.weights().get(name)).isEqualTo(w));
  }

  @Test
  void a_rank_that_is_lost_in_a_step_ends_the_others() {
    FakeNccl nccl = new FakeNccl(RANKS).with(1, Fate.DIES, 5);
    assertThatThrownBy(
            () -> run(golden(GoldenRun.What.QLORA).exchangingBy(DdpBackend.AUTO, nccl::library)))
        .hasMessageContaining("rank 1 (this JVM:0) failed: ")
        .hasMessageContaining("rank 1 was made to die");
    assertThat(nccl.ends()).containsOnly("ABORTED");
    assertThat(nccl.violations()).isEmpty();
  }

  private static GoldenRun.Result run(GoldenRun run) throws Exception {
    return run.run(RANKS, STEPS, step -> 2e-3, 0.3, 0.01);
  }

  private GoldenRun golden(GoldenRun.What what) {
    return new GoldenRun(what, Precision.FLOAT32, 0, scratch).on(new ComputeDevice.Staged());
  }
}
