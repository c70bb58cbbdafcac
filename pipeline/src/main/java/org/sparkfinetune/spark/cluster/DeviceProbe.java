package org.sparkfinetune.spark.cluster;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.spark.SparkConf;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.TrainConfig.Compute;
import org.sparkfinetune.config.TrainConfig.DeviceChoice;
import org.sparkfinetune.spark.cluster.BarrierStage.RankTask;

/**
 * Asks every rank what it will compute on, before time is spent on anything else: a GPU that cannot
 * be used would be found only once all rows are tokenised.
 */
public final class DeviceProbe implements RankTask {
  private static final long serialVersionUID = 1L;
  private static final Logger LOG = LoggerFactory.getLogger(DeviceProbe.class);

  private final Compute compute;

  private DeviceProbe(Compute compute) {
    this.compute = compute;
  }

  /**
   * Looks where GPUs are at stake; otherwise does nothing. Says for which ranks they stay unused.
   *
   * @throws org.sparkfinetune.errors.UserError if a rank cannot have the device that was asked for
   */
  public static void look(SparkConf conf, Compute compute, BarrierStage stage) {
    if (compute.device() == DeviceChoice.CUDA
        || (compute.device() == DeviceChoice.AUTO && ExecutorSettings.givesGpus(conf))) {
      List<String> unused =
          stage.runOnce(new DeviceProbe(compute)).stream()
              .map(bytes -> new String(bytes, StandardCharsets.UTF_8))
              .filter(why -> !why.isEmpty())
              .toList();
      unused.forEach(LOG::warn);
    }
  }

  @Override
  public byte[] run(RankContext context) {
    context.progress().enter("looking at its device");
    return new RankDevice()
        .decide(compute, RankDevice.Asking.of(context))
        .unused()
        .orElse("")
        .getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public String description() {
    return "look at devices";
  }
}
