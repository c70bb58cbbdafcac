package org.sparkfinetune.engine.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.testing.FakeNvidiaSmi;

class VisibleGpusTest {
  @TempDir Path folder;

  @Test
  void without_the_variable_libtorch_counts_as_nvidia_smi_does() {
    VisibleGpus all = VisibleGpus.of(Optional.empty(), noSmi());
    assertThat(all.device(3)).isEqualTo(new ComputeDevice.Cuda(3, 3));
  }

  @Test
  void libtorch_counts_the_entries_in_their_order() {
    assertThat(visible("3, 1").device(3)).isEqualTo(new ComputeDevice.Cuda(0, 3));
    assertThat(visible("3, 1").device(1)).isEqualTo(new ComputeDevice.Cuda(1, 1));
    assertThat(visible("3,1").device(1).text()).isEqualTo("cuda:1");
  }

  @Test
  void entries_behind_the_first_that_is_no_gpu_are_hidden() {
    assertThat(visible("0,-1,1").device(0)).isEqualTo(new ComputeDevice.Cuda(0, 0));
    for (String hiding : new String[] {"0,-1,1", "", "-1", "0", "none"}) {
      assertThatThrownBy(() -> visible(hiding).device(1))
          .isInstanceOf(UserError.class)
          .hasMessageContaining(
              "CUDA_VISIBLE_DEVICES is \"%s\", which hides GPU 1 of this host".formatted(hiding))
          .hasMessageContaining("discover-gpus.sh");
    }
  }

  @Test
  void uuids_are_compared_with_what_nvidia_smi_says_of_the_gpu_and_may_be_shortened() {
    NvidiaSmi smi = FakeNvidiaSmi.in(folder, "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6");
    VisibleGpus visible = VisibleGpus.of(Optional.of("GPU-11111111,GPU-8932f937"), smi);
    assertThat(visible.device(5)).isEqualTo(new ComputeDevice.Cuda(1, 5));
    assertThat(FakeNvidiaSmi.arguments(folder)).contains("--query-gpu=uuid").endsWith("-i 5");
    assertThatThrownBy(() -> VisibleGpus.of(Optional.of("GPU-8932f937"), noSmi()).device(5))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("could not be asked about GPU 5");
  }

  @Test
  void parts_of_gpus_are_refused_by_name() {
    assertThatThrownBy(() -> visible("MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f").device(0))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("(MIG) is not supported");
  }

  private VisibleGpus visible(String value) {
    return VisibleGpus.of(Optional.of(value), noSmi());
  }

  private NvidiaSmi noSmi() {
    return new NvidiaSmi(folder + "/none");
  }
}
