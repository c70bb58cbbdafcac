package org.sparkfinetune.spark.cluster;

import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.TrainConfig.Compute;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.NvidiaSmi;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;

/** What a rank computes on: its configuration, the GPU that Spark gave it, and its libtorch. */
public final class RankDevice {
  public static final String CUDA_LIBRARY =
      "Give ai.djl.pytorch:pytorch-native-cu128 of DJL's version to spark.jars (see"
          + " conf/spark/train-gpu.conf), and let LD_LIBRARY_PATH of the executors name the folder"
          + " of libcudart, by which DJL knows a host with GPUs";

  /** First of NVIDIA's generations that computes in bfloat16. */
  private static final int BFLOAT16_MAJOR = 8;

  private static final Logger LOG = LoggerFactory.getLogger(RankDevice.class);

  private final BooleanSupplier cudaInLibtorch;
  private final NvidiaSmi smi;

  public RankDevice() {
    this(Torch::hasCuda, new NvidiaSmi());
  }

  /**
   * @param cudaInLibtorch asked only where there is a GPU
   */
  RankDevice(BooleanSupplier cudaInLibtorch, NvidiaSmi smi) {
    this.cudaInLibtorch = cudaInLibtorch;
    this.smi = smi;
  }

  /**
   * Who asks.
   *
   * @param gpuAddress as Spark's discovery names it, if Spark gave the executor a GPU
   */
  public record Asking(int rank, String host, Optional<String> gpuAddress) {
    public static Asking of(RankContext context) {
      return new Asking(context.rank(), context.host(), context.gpuAddress());
    }

    String text() {
      return "rank %s on %s".formatted(rank, host);
    }
  }

  /**
   * The device that {@code device} means for a rank.
   *
   * @throws UserError if it cannot be had, or does not compute in the type asked for
   */
  public ComputeDevice choose(Compute compute, Asking rank) {
    return switch (compute.device()) {
      case CPU -> new ComputeDevice.Cpu();
      case CUDA -> cuda(compute, rank);
      case AUTO -> auto(compute, rank);
    };
  }

  private ComputeDevice auto(Compute compute, Asking rank) {
    if (rank.gpuAddress().isEmpty()) {
      LOG.info("{} computes on the CPU: Spark gave it no GPU", rank.text());
      return new ComputeDevice.Cpu();
    }
    if (!cudaInLibtorch.getAsBoolean()) {
      LOG.warn(
          "{} computes on the CPU although it has GPU {}: its libtorch has no CUDA. {}.",
          rank.text(),
          rank.gpuAddress().get(),
          CUDA_LIBRARY);
      return new ComputeDevice.Cpu();
    }
    return cuda(compute, rank);
  }

  private ComputeDevice cuda(Compute compute, Asking rank) {
    String address =
        rank.gpuAddress()
            .orElseThrow(
                () ->
                    new UserError(
                        "device: cuda, but Spark gave no GPU to %s. Ask for one with spark.executor.resource.gpu.amount=1, spark.task.resource.gpu.amount=1 and a discovery script (see conf/spark/train-gpu.conf); or use device: auto or cpu."
                            .formatted(rank.text())));
    if (!address.matches("\\d{1,4}")) {
      throw new UserError(
          "Spark's GPU of %s has the address \"%s\", which is not an index. Let the discovery script name GPUs by nvidia-smi's index, as conf/spark/discover-gpus.sh does."
              .formatted(rank.text(), address));
    }
    if (!cudaInLibtorch.getAsBoolean()) {
      throw new UserError(
          "device: cuda, but the libtorch of %s has no CUDA, or finds no GPU. %s; or use device: auto or cpu."
              .formatted(rank.text(), CUDA_LIBRARY));
    }
    int index = Integer.parseInt(address);
    if (compute.bf16()) {
      checkBfloat16(compute.device(), index, rank);
    }
    return new ComputeDevice.Cuda(index);
  }

  private void checkBfloat16(DeviceChoice device, int index, Asking rank) {
    NvidiaSmi.Gpu gpu;
    try {
      gpu = smi.gpu(index);
    } catch (RunFailure e) {
      LOG.warn(
          "{}: whether its GPU computes in bfloat16 is not known: {}", rank.text(), e.getMessage());
      return;
    }
    if (gpu.major() < BFLOAT16_MAJOR) {
      throw new UserError(
          "bf16: true with device: %s, but GPU %s of %s, %s, has compute capability %s. bfloat16 needs 8.0 or more (Ampere and later). Use bf16: false, or device: cpu."
              .formatted(device.text(), index, rank.text(), gpu.name(), gpu.capability()));
    }
  }
}
