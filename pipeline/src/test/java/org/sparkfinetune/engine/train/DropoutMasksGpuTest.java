package org.sparkfinetune.engine.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.Tensor.ElementType;
import org.sparkfinetune.testing.Cuda;

class DropoutMasksGpuTest {
  @ParameterizedTest
  @EnumSource(
      value = ElementType.class,
      names = {"FLOAT32", "BFLOAT16"})
  void a_gpus_kernel_makes_the_hosts_masks_to_the_last_bit(ElementType type) {
    ComputeDevice gpu = Cuda.assumed();
    List<float[]> host = DropoutMasksTest.all(type, new ComputeDevice.Cpu());
    List<float[]> device = DropoutMasksTest.all(type, gpu);
    for (int i = 0; i < host.size(); i++) {
      assertThat(Arrays.equals(device.get(i), host.get(i))).as("module %d", i).isTrue();
    }
  }
}
