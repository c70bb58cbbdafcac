package org.sparkfinetune.launch;

import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.DeviceChoice;
import org.sparkfinetune.config.Reporter;
import org.sparkfinetune.config.ShardingStrategy;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.hub.HubFolder;
import org.sparkfinetune.hub.HubId;

/**
 * Settings that are understood and not carried out yet. One that would change the result is an
 * error; one that only costs time or memory is said once.
 */
final class NotYet {
  private static final Logger LOG = LoggerFactory.getLogger(NotYet.class);

  private NotYet() {}

  static void check(TrainConfig config) {
    refuseHub("model_id", config.model().modelId());
    config.model().tokenizer().ifPresent(tokenizer -> refuseHub("tokenizer", tokenizer));
    refuse(config.compute().device() == DeviceChoice.CUDA, "device: cuda", "use cpu or auto");
    refuse(
        config.reporting().reportTo().contains(Reporter.MLFLOW),
        "report_to: mlflow",
        "use tensorboard");
    for (String module : config.lora().modulesToSave()) {
      refuse(
          !List.of("embed_tokens", "lm_head").contains(module),
          "modules_to_save: " + module,
          "embed_tokens and lm_head can be trained whole");
    }
    mention(
        config.parallelism().strategy() != ShardingStrategy.FULL_SHARD,
        "every fsdp strategy shards as full_shard does; results are the same");
  }

  /** Where a folder was meant and is there, the path is absolute by now. */
  private static void refuseHub(String key, String value) {
    refuse(
        value.startsWith(HubFolder.SCHEME) || HubId.isName(value),
        "%s is %s, no folder is there, and taking it from a hub".formatted(key, value),
        "download it first and name the folder");
  }

  private static void refuse(boolean asked, String what, String instead) {
    if (asked) {
      throw new UserError(what + " is not implemented yet; " + instead + ".");
    }
  }

  private static void mention(boolean asked, String what) {
    if (asked) {
      LOG.info("Note: {}.", what);
    }
  }
}
