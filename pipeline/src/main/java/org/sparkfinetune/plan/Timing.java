package org.sparkfinetune.plan;

import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.sparkfinetune.config.TrainConfig.GradientCheckpointing;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.plan.CpuProbe.LayerProducts;

/**
 * One optimizer step's time, and the run's.
 *
 * @param computeSeconds of a rank's products
 * @param decodeSeconds in which it unpacks every frozen layer, once a direction
 * @param exchangeBytes that a rank receives from others in a step
 * @param networkSeconds of what crosses hosts
 * @param linkSeconds of frozen layers on their way from the host to the device
 * @param groups of batches in a step, each of which needs every layer
 * @param steps of the run, if the data is known
 */
public record Timing(
    double computeSeconds,
    double decodeSeconds,
    long exchangeBytes,
    double networkSeconds,
    double linkSeconds,
    int groups,
    long tokensPerStep,
    OptionalLong steps) {

  /** What a step waits for. */
  public enum Bound {
    COMPUTE("computing"),
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

  /** Layers are fetched while others are computed, so the slowest of the three decides. */
  public double stepSeconds() {
    return Math.max(computeSeconds + decodeSeconds, Math.max(networkSeconds, linkSeconds));
  }

  /** What decides. */
  public Bound bound() {
    double most = stepSeconds();
    if (most == computeSeconds + decodeSeconds) {
      return Bound.COMPUTE;
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

  static Timing of(Workload work, Device device, OptionalLong steps) {
    double tokens = work.stepTokens();
    LayerProducts products =
        LayerProducts.of(work.model(), work.method(), work.kept().checkpointing());
    double layers = work.model().linearParameters();
    double attention =
        (double) work.model().numHiddenLayers()
            * work.model().numAttentionHeads()
            * work.model().headDim()
            * work.rows().length()
            * attentionPasses(work);
    double head = (work.trainsHead() ? 6.0 : 4.0) * work.embedding();
    double adapters = work.method() == Method.FULL ? 0 : 8.0 * work.trained();
    double compute = tokens * (products.both() + attention + head + adapters) / device.flops();
    int groups = work.groups(device);
    double decoded =
        work.method() == Method.FULL
            ? 0
            : groups
                * 2.0
                * (layers * work.widths().compute() + work.frozen())
                / device.memoryBandwidth();
    long exchanged = exchanged(work, groups);
    int onHost = device.ranksOnHost(work.ranks());
    double away = work.ranks() > onHost ? (double) (work.ranks() - onHost) / (work.ranks() - 1) : 0;
    double network = exchanged * away * onHost / device.network();
    double link =
        device.kind() == Device.Kind.GPU
            ? groups
                * (work.offload() == Workload.Offload.ON_HOST
                    ? 2.0 * work.frozen()
                    : 2.0 * work.frozen() * (work.ranks() - 1) / work.ranks())
                / device.hostLink()
            : 0;
    return new Timing(
        compute,
        decoded,
        exchanged,
        network,
        link,
        groups,
        work.stepTokens() * work.ranks(),
        steps);
  }

  /** Of the causal half of scores and values: forward, backward at 2.5, and forward again if so. */
  private static double attentionPasses(Workload work) {
    boolean again = work.kept().checkpointing() == GradientCheckpointing.ON;
    return 2 * (again ? 2 + 2.5 : 1 + 2.5);
  }

  /**
   * Frozen layers and parameters once a direction and group, gradients once; each without the own
   * part.
   */
  private static long exchanged(Workload work, int groups) {
    double others = (work.ranks() - 1.0) / work.ranks();
    double bytes = groups * 2.0 * work.frozen() + (2.0 * groups + 1) * Float.BYTES * work.trained();
    return Math.round(others * bytes);
  }
}
