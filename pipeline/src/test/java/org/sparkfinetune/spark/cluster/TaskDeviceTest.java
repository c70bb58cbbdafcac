package org.sparkfinetune.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.errors.UserError;

/** Outside of tasks there is the processor alone. */
final class TaskDeviceTest {
  @Test
  void the_driver_decodes_on_the_processor() {
    assertThat(TaskDevice.choose(DeviceChoice.AUTO, true)).isEqualTo(new ComputeDevice.Cpu());
    assertThat(TaskDevice.choose(DeviceChoice.CPU, true)).isEqualTo(new ComputeDevice.Cpu());
  }

  @Test
  void a_gpu_for_the_driver_is_refused_with_what_to_do() {
    assertThatThrownBy(() -> TaskDevice.choose(DeviceChoice.CUDA, true))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("device is cuda")
        .hasMessageContaining("input and output");
  }
}
