package org.sparkfinetune.plan;

import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.sparkfinetune.config.TrainConfig.GradientCheckpointing;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.plan.CpuProbe.LayerProducts;

/**
 * One optimizer step's time, and the run's.
 *
 * @param kernels of a rank's device
 * @param exchangeBytes that a rank receives from others in a step
 * @param networkSeconds of what crosses hosts
 * @param linkSeconds of what passes between the host and the device: frozen weights that are not
 *     kept there, and gradients
 * @param groups of batches in a step, each of which needs every layer
 * @param steps of the run, if the data is known
 */
public record Timing(
    Kernels kernels,
    long exchangeBytes,
    double networkSeconds,
    double linkSeconds,
    int groups,
    long tokensPerStep,
    OptionalLong steps) {

  /** Of the peak to its own memory, what kernels reach. */
  private static final double BANDWIDTH_SHARE = 0.8;

  /**
   * Of the speed of products, what attention reaches: FlashAttention-2 50 to 73 % of an A100's peak
   * (Dao 2023, arXiv:2307.08691), the kernels before it 25 to 40 %, and the deterministic one of
   * libtorch is of those.
   */
  private static final double FLASH_SHARE = 0.75;

  private static final double EFFICIENT_SHARE = 0.6 * FLASH_SHARE;

  /**
   * Bytes of memory traffic to decode a weight of NF4 by a kernel of our own: half a byte and its
   * scale read, two written. Where that kernel cannot be had, operators take 12.
   */
  static final double NF4_BYTES = 3.1;

  /**
   * Seconds of a device's kernels in a step.
   *
   * @param products of all linears and the head, forward, again, and backward
   * @param attention scores and values
   * @param elementwise norms, activations, rotations, sums; on a CPU a part of {@code products}
   * @param dropout making masks and multiplying with them; on a CPU likewise
   * @param decode in which every frozen layer is unpacked, once a direction and group
   * @param launches in which the host starts them, while the device computes; 0 on a CPU
   */
  public record Kernels(
      double products,
      double attention,
      double elementwise,
      double dropout,
      double decode,
      double launches) {

    /** What the device is busy. */
    public double busy() {
      return products + attention + elementwise + dropout + decode;
    }
  }

  /** What a step waits for. */
  public enum Bound {
    COMPUTE("computing"),
    LAUNCHES("starting kernels"),
    NETWORK("the network between hosts"),
    HOST_LINK("the link from host to device");

    private final String text;

    Bound(String text) {
      this.text = text;
    }

    /** In words. */
    public String text() {
      return text;
    }
  }

  /**
   * Kernels are started while others run, and layers are fetched while others are computed, so the
   * slowest decides.
   */
  public double stepSeconds() {
    return Math.max(
        Math.max(kernels.busy(), kernels.launches()), Math.max(networkSeconds, linkSeconds));
  }

  /** What decides. */
  public Bound bound() {
    double most = stepSeconds();
    if (most == kernels.busy()) {
      return Bound.COMPUTE;
    }
    if (most == kernels.launches()) {
      return Bound.LAUNCHES;
    }
    return most == networkSeconds ? Bound.NETWORK : Bound.HOST_LINK;
  }

  /** Of all ranks. */
  public double tokensPerSecond() {
    return tokensPerStep / stepSeconds();
  }

  /** Of the whole run, evaluation left out. */
  public OptionalDouble hours() {
    return steps.isPresent()
        ? OptionalDouble.of(steps.getAsLong() * stepSeconds() / 3600)
        : OptionalDouble.empty();
  }

  /**
   * @param residency of frozen weights
   */
  static Timing of(Workload work, Device device, Residency residency, OptionalLong steps) {
    int groups = work.groups(device);
    long exchanged = exchanged(work, groups, residency);
    int onHost = device.ranksOnHost(work.ranks());
    double away = work.ranks() > onHost ? (double) (work.ranks() - onHost) / (work.ranks() - 1) : 0;
    double network = exchanged * away * onHost / device.network();
    return new Timing(
        kernels(work, device, groups),
        exchanged,
        network,
        device.kind() == Device.Kind.GPU ? linkBytes(work, residency) / device.hostLink() : 0,
        groups,
        work.stepTokens() * work.ranks(),
        steps);
  }

  private static Kernels kernels(Workload work, Device device, int groups) {
    double tokens = work.stepTokens();
    int layers = work.model().numHiddenLayers();
    LayerProducts products =
        LayerProducts.of(work.model(), work.method(), work.kept().checkpointing());
    double attention =
        (double) layers
            * work.model().numAttentionHeads()
            * work.model().headDim()
            * work.rows().length()
            * attentionPasses(work);
    double head = (work.trainsHead() ? 6.0 : 4.0) * work.embedding();
    double adapters = work.method() == Method.FULL ? 0 : 8.0 * work.trained();
    double multiplied = tokens * (products.both() + head + adapters) / device.flops();
    if (device.kind() == Device.Kind.CPU) {
      double unpacked =
          work.method() == Method.FULL
              ? 0
              : groups
                  * 2.0
                  * (work.model().linearParameters() * (double) work.widths().compute()
                      + work.frozen())
                  / device.memoryBandwidth();
      return new Kernels(multiplied, tokens * attention / device.flops(), 0, 0, unpacked, 0);
    }
    LayerKernels own = new LayerKernels(work);
    double bandwidth = BANDWIDTH_SHARE * device.memoryBandwidth();
    long batches = (work.stepTokens() + work.batchTokens(device) - 1) / work.batchTokens(device);
    return new Kernels(
        multiplied,
        tokens * attention / (EFFICIENT_SHARE * device.flops()),
        tokens * layers * own.elementwiseBytes() / bandwidth,
        tokens * layers * own.dropoutBytes() / bandwidth,
        groups * 2 * decodedBytes(work) / bandwidth,
        batches * layers * own.count() * LayerKernels.LAUNCH_SECONDS);
  }

  /** Memory traffic to unpack all frozen weights once. */
  private static double decodedBytes(Workload work) {
    double linears = work.model().linearParameters();
    return switch (work.method()) {
      case QLORA -> linears * NF4_BYTES;
      case LORA -> linears * (work.widths().plain() + work.widths().compute());
      case FULL -> 0;
    };
  }

  /** Streamed weights once a direction and group, gradients once. */
  private static double linkBytes(Workload work, Residency residency) {
    return residency.crossing() + Float.BYTES * (double) work.trained();
  }

  /** Of the causal half of scores and values: forward, backward at 2.5, and forward again if so. */
  private static double attentionPasses(Workload work) {
    boolean again = work.kept().checkpointing() == GradientCheckpointing.ON;
    return 2 * (again ? 2 + 2.5 : 1 + 2.5);
  }

  /**
   * Frozen layers that are not kept and parameters once a direction and group, gradients once; each
   * without the own part.
   */
  private static long exchanged(Workload work, int groups, Residency residency) {
    double others = (work.ranks() - 1.0) / work.ranks();
    double bytes = residency.crossing() + (2.0 * groups + 1) * Float.BYTES * work.trained();
    return Math.round(others * bytes);
  }
}
