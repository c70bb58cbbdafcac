package org.sparkfinetune.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.TrainConfig.Compute;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.config.TrainConfig.GradientCheckpointing;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.NvidiaSmi;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.testing.FakeNvidiaSmi;

class RankDeviceTest {
  private static final String A10G = "8.6, 23028, NVIDIA A10G";
  private static final String T4 = "7.5, 15360, Tesla T4";

  @TempDir Path folder;

  @Test
  void auto_is_the_gpu_that_spark_gave_if_libtorch_has_cuda() {
    assertThat(choose(DeviceChoice.AUTO, "2", true, A10G)).isEqualTo(new ComputeDevice.Cuda(2));
    assertThat(choose(DeviceChoice.AUTO, "2", false, A10G)).isEqualTo(new ComputeDevice.Cpu());
    assertThat(choose(DeviceChoice.AUTO, "", true, A10G)).isEqualTo(new ComputeDevice.Cpu());
  }

  @Test
  void cpu_is_the_cpu_whatever_there_is() {
    assertThat(choose(DeviceChoice.CPU, "0", true, A10G)).isEqualTo(new ComputeDevice.Cpu());
  }

  @Test
  void cuda_is_the_gpu_or_an_error_that_says_what_to_do() {
    assertThat(choose(DeviceChoice.CUDA, "0", true, A10G)).isEqualTo(new ComputeDevice.Cuda(0));
    assertThatThrownBy(() -> choose(DeviceChoice.CUDA, "", true, A10G))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("device: cuda, but Spark gave no GPU to rank 3 on worker-1")
        .hasMessageContaining("spark.executor.resource.gpu.amount");
    assertThatThrownBy(() -> choose(DeviceChoice.CUDA, "0", false, A10G))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("the libtorch of rank 3 on worker-1 has no CUDA")
        .hasMessageContaining("pytorch-native-cu128");
    assertThatThrownBy(() -> choose(DeviceChoice.CUDA, "GPU-8f6", true, A10G))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("\"GPU-8f6\"");
  }

  @Test
  void bfloat16_is_refused_below_compute_capability_8() {
    for (DeviceChoice device : List.of(DeviceChoice.AUTO, DeviceChoice.CUDA)) {
      assertThatThrownBy(() -> choose(device, "0", true, T4))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("bf16: true")
          .hasMessageContaining("Tesla T4, has compute capability 7.5")
          .hasMessageContaining("bf16: false");
    }
    assertThat(choose(new Compute(DeviceChoice.CUDA, false, GradientCheckpointing.ON, true), T4))
        .isEqualTo(new ComputeDevice.Cuda(0));
  }

  @Test
  void without_nvidia_smi_the_run_is_let_go_on() {
    Compute compute = new Compute(DeviceChoice.CUDA, true, GradientCheckpointing.ON, true);
    RankDevice device = new RankDevice(() -> true, new NvidiaSmi(folder + "/none"));
    assertThat(device.choose(compute, asking("0"))).isEqualTo(new ComputeDevice.Cuda(0));
  }

  private ComputeDevice choose(DeviceChoice choice, String address, boolean cuda, String gpu) {
    Compute compute = new Compute(choice, true, GradientCheckpointing.ON, true);
    return new RankDevice(() -> cuda, FakeNvidiaSmi.in(folder, gpu))
        .choose(compute, asking(address));
  }

  private ComputeDevice choose(Compute compute, String gpu) {
    return new RankDevice(() -> true, FakeNvidiaSmi.in(folder, gpu)).choose(compute, asking("0"));
  }

  private static RankDevice.Asking asking(String address) {
    return new RankDevice.Asking(
        3, "worker-1", Optional.of(address).filter(text -> !text.isEmpty()));
  }
}
