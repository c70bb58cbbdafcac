package org.sparkfinetune.spark.cluster;

import java.util.Optional;
import java.util.stream.Stream;
import org.apache.spark.TaskContext;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.config.TrainConfig.Compute;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.config.TrainConfig.GradientCheckpointing;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.errors.UserError;

/**
 * What a task of {@code generate} or {@code evaluate} decodes on: the GPU that Spark gave it, or
 * the processor. Without a GPU libtorch is not asked for anything, and not loaded.
 */
public final class TaskDevice {
  private TaskDevice() {}

  /**
   * For the task that this thread runs, or the driver outside of tasks, which has no GPU.
   *
   * @param bf16 whether a GPU would compute in bfloat16
   * @throws UserError if the choice cannot be had
   */
  public static ComputeDevice choose(DeviceChoice choice, boolean bf16) {
    @Nullable TaskContext task = TaskContext.get();
    if (task == null) {
      return ofDriver(choice);
    }
    Optional<String> gpu =
        Optional.ofNullable(task.resourcesJMap().get("gpu"))
            .flatMap(found -> Stream.of(found.addresses()).findFirst());
    if (choice == DeviceChoice.CPU || choice == DeviceChoice.AUTO && gpu.isEmpty()) {
      return new ComputeDevice.Cpu();
    }
    Compute compute = new Compute(choice, bf16, GradientCheckpointing.ON, true);
    String host = org.apache.spark.SparkEnv.get().blockManager().blockManagerId().host();
    return new RankDevice().choose(compute, new RankDevice.Asking(task.partitionId(), host, gpu));
  }

  private static ComputeDevice ofDriver(DeviceChoice choice) {
    if (choice == DeviceChoice.CUDA) {
      throw new UserError(
          "device is cuda, but prompt, messages and chat are answered by the driver, on the processor. Use device: auto or cpu, or answer rows on executors with input and output.");
    }
    return new ComputeDevice.Cpu();
  }
}
