package org.sparkfinetune.engine.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.testing.FakeNvidiaSmi;

class NvidiaSmiTest {
  @TempDir Path folder;

  @Test
  void name_capability_and_memory_of_a_gpu() {
    NvidiaSmi.Gpu gpu = FakeNvidiaSmi.in(folder, "8.6, 23028, NVIDIA A10G").gpu(1);
    assertThat(gpu).isEqualTo(new NvidiaSmi.Gpu("NVIDIA A10G", 8, 6, 23028L << 20));
    assertThat(FakeNvidiaSmi.arguments(folder))
        .isEqualTo("--query-gpu=compute_cap,memory.total,name --format=csv,noheader,nounits -i 1");
  }

  @Test
  void memory_in_use_is_told_until_closed() throws InterruptedException {
    BlockingQueue<Long> told = new LinkedBlockingQueue<>();
    try (NvidiaSmi.Watch unused =
        FakeNvidiaSmi.in(folder, "10\nNo devices\n4000").used(0, told::add)) {
      assertThat(told.poll(10, TimeUnit.SECONDS)).isEqualTo(10L << 20);
      assertThat(told.poll(10, TimeUnit.SECONDS)).isEqualTo(4000L << 20);
    }
  }

  @Test
  void without_the_program_or_with_another_answer_it_says_so() {
    assertThatThrownBy(() -> new NvidiaSmi(folder.resolve("none").toString()).gpu(0))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("could not be asked about GPU 0");
    assertThatThrownBy(() -> FakeNvidiaSmi.in(folder, "No devices were found").gpu(0))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("No devices were found");
  }
}
