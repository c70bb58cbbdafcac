package org.sparkfinetune.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.config.TrainConfig.Compute;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.config.TrainConfig.GradientCheckpointing;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.CudaTrouble;
import org.sparkfinetune.engine.tensor.NvidiaSmi;
import org.sparkfinetune.engine.tensor.VisibleGpus;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.testing.FakeNvidiaSmi;

class RankDeviceTest {
  private static final String A10G = "8.6, 23028, NVIDIA A10G";
  private static final String T4 = "7.5, 15360, Tesla T4";

  @TempDir Path folder;

  @Test
  void auto_is_the_gpu_that_spark_gave_if_there_is_anything_to_compute_with() {
    assertThat(choose(DeviceChoice.AUTO, "2", A10G)).isEqualTo(new ComputeDevice.Cuda(2));
    assertThat(choose(DeviceChoice.AUTO, "", A10G)).isEqualTo(new ComputeDevice.Cpu());
  }

  @Test
  void auto_leaves_a_gpu_unused_only_where_nothing_can_compute_on_it_and_says_why() {
    for (CudaTrouble.Kind kind : CudaTrouble.Kind.values()) {
      CudaTrouble trouble = new CudaTrouble(kind, "its words");
      if (kind.isAbsence()) {
        RankDevice.Choice choice =
            device(trouble, A10G).decide(compute(DeviceChoice.AUTO), asking("2"));
        assertThat(choice.device()).isEqualTo(new ComputeDevice.Cpu());
        assertThat(choice.unused().orElseThrow())
            .startsWith("rank 3 on worker-1 computes on the CPU although Spark gave it GPU 2: ")
            .contains(trouble.what(), trouble.advice());
      } else {
        assertThatThrownBy(
                () -> device(trouble, A10G).decide(compute(DeviceChoice.AUTO), asking("2")))
            .as(kind.name())
            .isInstanceOf(UserError.class)
            .hasMessageContaining(
                "device: auto, but GPU 2, which Spark gave to rank 3 on worker-1, cannot be used: ")
            .hasMessageContaining(trouble.what());
      }
    }
  }

  @Test
  void cpu_is_the_cpu_whatever_there_is() {
    assertThat(choose(DeviceChoice.CPU, "0", A10G)).isEqualTo(new ComputeDevice.Cpu());
  }

  @Test
  void cuda_is_the_gpu_or_an_error_that_says_what_to_do() {
    assertThat(choose(DeviceChoice.CUDA, "0", A10G)).isEqualTo(new ComputeDevice.Cuda(0));
    assertThatThrownBy(() -> choose(DeviceChoice.CUDA, "", A10G))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("device: cuda, but Spark gave no GPU to rank 3 on worker-1")
        .hasMessageContaining("spark.executor.resource.gpu.amount");
    assertThatThrownBy(() -> choose(DeviceChoice.CUDA, "GPU-8f6", A10G))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("\"GPU-8f6\"");
    assertThat(refusal(CudaTrouble.Kind.NO_CUDA_IN_LIBTORCH))
        .contains("its libtorch has no CUDA", "PYTORCH_LIBRARY_PATH", "PYTORCH_FLAVOR=cpu");
    assertThat(refusal(CudaTrouble.Kind.NO_DRIVER))
        .contains("there is no NVIDIA driver (libcuda.so.1)", "nvidia-smi answers")
        .doesNotContain("PYTORCH_LIBRARY_PATH");
    assertThat(refusal(CudaTrouble.Kind.NO_CODE_FOR_GPU)).contains("whl/cu128");
  }

  private String refusal(CudaTrouble.Kind kind) {
    RankDevice device = device(new CudaTrouble(kind, "its words"), A10G);
    UserError error =
        catchThrowableOfType(
            UserError.class, () -> device.choose(compute(DeviceChoice.CUDA), asking("0")));
    return error.getMessage();
  }

  @Test
  void libtorch_gets_the_index_that_is_left_to_the_process_and_nvidia_smi_the_hosts() {
    List<ComputeDevice.Cuda> asked = new ArrayList<>();
    RankDevice device =
        new RankDevice(
            gpu -> {
              asked.add(gpu);
              return Optional.empty();
            },
            FakeNvidiaSmi.in(folder, A10G),
            visible("2,3"));
    ComputeDevice chosen = device.choose(compute(DeviceChoice.CUDA), asking("3"));
    assertThat(chosen).isEqualTo(new ComputeDevice.Cuda(1, 3));
    assertThat(asked).containsExactly(new ComputeDevice.Cuda(1, 3));
    assertThat(FakeNvidiaSmi.arguments(folder)).contains("-i 3");
    assertThatThrownBy(() -> device.choose(compute(DeviceChoice.AUTO), asking("0")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("CUDA_VISIBLE_DEVICES is \"2,3\", which hides GPU 0");
  }

  @Test
  void bfloat16_is_refused_below_compute_capability_8() {
    for (DeviceChoice device : List.of(DeviceChoice.AUTO, DeviceChoice.CUDA)) {
      assertThatThrownBy(() -> choose(device, "0", T4))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("bf16: true")
          .hasMessageContaining("Tesla T4, has compute capability 7.5")
          .hasMessageContaining("bf16: false");
    }
    Compute float32 = new Compute(DeviceChoice.CUDA, false, GradientCheckpointing.ON, true);
    assertThat(works(T4).choose(float32, asking("0"))).isEqualTo(new ComputeDevice.Cuda(0));
  }

  @Test
  void without_nvidia_smi_the_run_is_let_go_on() {
    RankDevice device =
        new RankDevice(gpu -> Optional.empty(), new NvidiaSmi(folder + "/none"), visible(null));
    assertThat(device.choose(compute(DeviceChoice.CUDA), asking("0")))
        .isEqualTo(new ComputeDevice.Cuda(0));
  }

  private ComputeDevice choose(DeviceChoice choice, String address, String gpu) {
    return works(gpu).choose(compute(choice), asking(address));
  }

  private RankDevice works(String gpu) {
    return new RankDevice(asked -> Optional.empty(), FakeNvidiaSmi.in(folder, gpu), visible(null));
  }

  private RankDevice device(CudaTrouble trouble, String gpu) {
    return new RankDevice(
        asked -> Optional.of(trouble), FakeNvidiaSmi.in(folder, gpu), visible(null));
  }

  private static Compute compute(DeviceChoice choice) {
    return new Compute(choice, true, GradientCheckpointing.ON, true);
  }

  private VisibleGpus visible(String value) {
    return VisibleGpus.of(Optional.ofNullable(value), new NvidiaSmi(folder + "/none"));
  }

  private static RankDevice.Asking asking(String address) {
    return new RankDevice.Asking(
        3, "worker-1", Optional.of(address).filter(text -> !text.isEmpty()));
  }
}
