package org.sparkfinetune.spark.check;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import org.sparkfinetune.config.TrainConfig.Compute;
import org.sparkfinetune.engine.tensor.Torch;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.plan.MachineMemory;
import org.sparkfinetune.spark.cluster.BarrierStage.RankTask;
import org.sparkfinetune.spark.cluster.RankContext;
import org.sparkfinetune.spark.cluster.RankDevice;
import org.sparkfinetune.store.Store;

/**
 * Runs on every executor at once and looks around; that it comes back shows that a barrier stage
 * starts, that the ranks reach each other's ports and that libtorch loads.
 */
final class ClusterProbe implements RankTask {
  private static final long serialVersionUID = 1L;
  private static final String CONFIG = "config.json";

  private final String modelFolder;
  private final Compute compute;
  private final Store store;

  ClusterProbe(String modelFolder, Compute compute, Store store) {
    this.modelFolder = modelFolder;
    this.compute = compute;
    this.store = store;
  }

  /** Whether an executor finds the model. */
  enum Sight {
    SEES_MODEL,
    DOES_NOT
  }

  /**
   * What an executor has.
   *
   * @param memory of its host
   * @param available of it, now
   * @param disk free where shard files go
   * @param gpu its address, empty where there is none
   * @param device what it would compute on, as libtorch calls it
   * @param deviceMemory bytes of a GPU that it would compute on, 0 if there is none or nobody knows
   * @param objection why it cannot, empty if it can
   * @param unused why it computes on the CPU although it has a GPU, empty if it does not
   */
  record Found(
      String host,
      long memory,
      long available,
      long disk,
      String gpu,
      String device,
      long deviceMemory,
      String objection,
      String unused,
      Sight sight) {
    String encoded() {
      return String.join(
          "\t",
          host,
          Long.toString(memory),
          Long.toString(available),
          Long.toString(disk),
          gpu,
          device,
          Long.toString(deviceMemory),
          objection,
          unused,
          sight.name());
    }

    static Found decoded(byte[] bytes) {
      String[] parts = new String(bytes, StandardCharsets.UTF_8).split("\t", -1);
      return new Found(
          parts[0],
          Long.parseLong(parts[1]),
          Long.parseLong(parts[2]),
          Long.parseLong(parts[3]),
          parts[4],
          parts[5],
          Long.parseLong(parts[6]),
          parts[7],
          parts[8],
          Sight.valueOf(parts[9]));
    }
  }

  @Override
  public byte[] run(RankContext context) throws IOException {
    context.progress().enter("connecting to the other ranks");
    context.exchange().sum("check", 0, new double[] {context.rank()});
    context.progress().enter("loading libtorch");
    Torch.start(context.cores()).close();
    String chosen = "";
    long chosenMemory = 0;
    String objection = "";
    String unused = "";
    try {
      RankDevice.Choice choice = device(context);
      chosen = choice.device().text();
      chosenMemory = choice.device().memory().orElse(0);
      unused = choice.unused().orElse("");
    } catch (UserError | RunFailure e) {
      objection = String.valueOf(e.getMessage());
    }
    Found found =
        new Found(
            context.host(),
            MachineMemory.total().orElse(Long.MAX_VALUE),
            MachineMemory.available().orElse(Long.MAX_VALUE),
            Files.getFileStore(context.scratch()).getUsableSpace(),
            context.gpuAddress().orElse(""),
            chosen,
            chosenMemory,
            objection,
            unused,
            sight());
    return found.encoded().getBytes(StandardCharsets.UTF_8);
  }

  private RankDevice.Choice device(RankContext context) {
    RankDevice.Choice choice = new RankDevice().decide(compute, RankDevice.Asking.of(context));
    if (!choice.device().sharesHostMemory()) {
      Torch.start(context.cores(), choice.device()).close();
    }
    return choice;
  }

  @Override
  public String description() {
    return "check";
  }

  private Sight sight() throws IOException {
    org.apache.hadoop.fs.Path file = new org.apache.hadoop.fs.Path(modelFolder, CONFIG);
    return store.fileSystem(file).exists(file) ? Sight.SEES_MODEL : Sight.DOES_NOT;
  }
}
