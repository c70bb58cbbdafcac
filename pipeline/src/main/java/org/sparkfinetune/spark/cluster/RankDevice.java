package org.sparkfinetune.spark.cluster;

import java.util.Optional;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.TrainConfig.Compute;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.engine.tensor.ComputeDevice;
import org.sparkfinetune.engine.tensor.CudaTrouble;
import org.sparkfinetune.engine.tensor.NvidiaSmi;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.engine.tensor.VisibleGpus;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;

/** What a rank computes on: its configuration, the GPU that Spark gave it, and its libtorch. */
public final class RankDevice {
  /** First of NVIDIA's generations that computes in bfloat16. */
  private static final int BFLOAT16_MAJOR = 8;

  private static final Logger LOG = LoggerFactory.getLogger(RankDevice.class);

  private final Function<ComputeDevice.Cuda, Optional<CudaTrouble>> libtorch;
  private final NvidiaSmi smi;
  private final VisibleGpus visible;

  public RankDevice() {
    this(Torch::trouble, new NvidiaSmi(), VisibleGpus.here());
  }

  /**
   * @param libtorch why it cannot compute on a GPU; asked only where Spark gave one
   */
  RankDevice(
      Function<ComputeDevice.Cuda, Optional<CudaTrouble>> libtorch,
      NvidiaSmi smi,
      VisibleGpus visible) {
    this.libtorch = libtorch;
    this.smi = smi;
    this.visible = visible;
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
   * What a rank computes on.
   *
   * @param unused why that is the CPU although Spark gave the rank a GPU, as a sentence with what
   *     to do; empty where it gave none, or the configuration asked for the CPU
   */
  public record Choice(ComputeDevice device, Optional<String> unused) {}

  /**
   * The device that {@code device} means for a rank.
   *
   * @throws UserError if it cannot be had, or does not compute in the type asked for
   */
  public ComputeDevice choose(Compute compute, Asking rank) {
    Choice choice = decide(compute, rank);
    choice.unused().ifPresent(LOG::warn);
    return choice.device();
  }

  /**
   * As {@link #choose}, with the reason where {@code auto} leaves a GPU unused.
   *
   * @throws UserError if the device cannot be had, or does not compute in the type asked for
   */
  public Choice decide(Compute compute, Asking rank) {
    return switch (compute.device()) {
      case CPU -> cpu();
      case CUDA -> new Choice(cuda(compute, rank), Optional.empty());
      case AUTO -> auto(compute, rank);
    };
  }

  private static Choice cpu() {
    return new Choice(new ComputeDevice.Cpu(), Optional.empty());
  }

  private Choice auto(Compute compute, Asking rank) {
    if (rank.gpuAddress().isEmpty()) {
      LOG.info("{} computes on the CPU: Spark gave it no GPU", rank.text());
      return cpu();
    }
    ComputeDevice.Cuda gpu = given(rank);
    Optional<CudaTrouble> trouble = libtorch.apply(gpu);
    if (trouble.isPresent() && trouble.get().kind().isAbsence()) {
      return new Choice(
          new ComputeDevice.Cpu(),
          Optional.of(
              "%s computes on the CPU although Spark gave it GPU %s: %s. %s."
                  .formatted(
                      rank.text(), gpu.onHost(), trouble.get().what(), trouble.get().advice())));
    }
    return new Choice(usable(gpu, trouble, compute, rank), Optional.empty());
  }

  private ComputeDevice cuda(Compute compute, Asking rank) {
    ComputeDevice.Cuda gpu = given(rank);
    return usable(gpu, libtorch.apply(gpu), compute, rank);
  }

  /** The GPU that Spark gave, as libtorch counts it. */
  private ComputeDevice.Cuda given(Asking rank) {
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
    return visible.device(Integer.parseInt(address));
  }

  private ComputeDevice usable(
      ComputeDevice.Cuda gpu, Optional<CudaTrouble> trouble, Compute compute, Asking rank) {
    if (trouble.isPresent()) {
      throw new UserError(
          "device: %s, but GPU %s, which Spark gave to %s, cannot be used: %s. %s; or use device: cpu."
              .formatted(
                  compute.device().text(),
                  gpu.onHost(),
                  rank.text(),
                  trouble.get().what(),
                  trouble.get().advice()));
    }
    if (compute.bf16()) {
      checkBfloat16(compute.device(), gpu.onHost(), rank);
    }
    return gpu;
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
