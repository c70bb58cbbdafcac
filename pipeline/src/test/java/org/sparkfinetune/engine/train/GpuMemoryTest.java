package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.NvidiaSmi;
import org.sparkfinetune.engine.train.RankMemory.GpuMemory;
import org.sparkfinetune.testing.FakeNvidiaSmi;

class GpuMemoryTest {
  private static final long MIB = 1 << 20;

  @TempDir Path folder;

  @Test
  void the_peak_is_the_most_that_was_seen() {
    GpuMemory memory = new GpuMemory(FakeNvidiaSmi.in(folder, "10\n4000\n300"));
    Instant end = Instant.now().plus(Duration.ofSeconds(10));
    try (NvidiaSmi.Watch unused = memory.watch(new ComputeDevice.Cuda(0))) {
      while (memory.peakBytes() < 4000 * MIB && Instant.now().isBefore(end)) {
        Thread.onSpinWait();
      }
    }
    assertThat(memory.peakBytes()).isEqualTo(4000 * MIB);
  }

  @Test
  void it_is_0_on_the_cpu_and_where_nobody_can_be_asked() {
    GpuMemory memory = new GpuMemory(new NvidiaSmi(folder.resolve("none").toString()));
    for (ComputeDevice device :
        new ComputeDevice[] {new ComputeDevice.Cpu(), new ComputeDevice.Cuda(0)}) {
      memory.watch(device).close();
      assertThat(memory.peakBytes()).isZero();
    }
  }
}
