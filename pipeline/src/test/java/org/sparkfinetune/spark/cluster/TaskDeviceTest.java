package org.sparkfinetune.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Iterator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.CudaWords;
import org.sparkfinetune.errors.RunFailure;
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

  /** Spark ends an executor whose task failed by an error of the JVM's, a cause included. */
  @Test
  void a_task_that_loses_its_gpu_ends_its_executor_and_another_failure_does_not() {
    RunFailure lost = CudaWords.failure("CUDA error: an illegal memory access was encountered");
    RunFailure full = new RunFailure("no memory left");
    assertThatThrownBy(() -> rows(lost).next())
        .isInstanceOf(RunFailure.class)
        .hasMessage(lost.getMessage())
        .hasCauseInstanceOf(InternalError.class);
    assertThatThrownBy(() -> rows(full).next()).isSameAs(full);
    assertThatThrownBy(() -> TaskDevice.endingLostExecutors(() -> failing(lost)))
        .hasCauseInstanceOf(InternalError.class);
    assertThat(TaskDevice.endingLostExecutors(() -> List.of(7).iterator()))
        .toIterable()
        .containsExactly(7);
  }

  private static Iterator<Integer> rows(RunFailure failure) {
    return TaskDevice.endingLostExecutors(
        () -> Stream.generate(() -> TaskDeviceTest.<Integer>failing(failure)).iterator());
  }

  private static <T> T failing(RunFailure failure) {
    throw failure;
  }
}
