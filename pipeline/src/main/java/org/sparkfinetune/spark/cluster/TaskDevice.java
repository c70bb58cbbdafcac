package org.sparkfinetune.spark.cluster;

import java.util.Iterator;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.apache.spark.TaskContext;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.config.TrainConfig.Compute;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.config.TrainConfig.GradientCheckpointing;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.errors.RunFailure;
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

  /**
   * What a task makes of its rows. If its process loses the GPU meanwhile, the task fails in a way
   * by which Spark ends the executor, too (see {@link RankFailure}): no later task could compute
   * there.
   *
   * @param made called at once
   */
  public static <T> Iterator<T> endingLostExecutors(Supplier<Iterator<T>> made) {
    Iterator<T> results = endingLostExecutor(made);
    return new Iterator<>() {
      @Override
      public boolean hasNext() {
        return endingLostExecutor(results::hasNext);
      }

      @Override
      public T next() {
        return endingLostExecutor(results::next);
      }
    };
  }

  private static <V> V endingLostExecutor(Supplier<V> work) {
    try {
      return work.get();
    } catch (RunFailure e) {
      throw RankFailure.executorsEnd(e)
          .map(end -> new RunFailure(String.valueOf(e.getMessage()), end))
          .orElse(e);
    }
  }

  private static ComputeDevice ofDriver(DeviceChoice choice) {
    if (choice == DeviceChoice.CUDA) {
      throw new UserError(
          "device is cuda, but prompt, messages and chat are answered by the driver, on the processor. Use device: auto or cpu, or answer rows on executors with input and output.");
    }
    return new ComputeDevice.Cpu();
  }
}
