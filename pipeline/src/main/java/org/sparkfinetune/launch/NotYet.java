package org.sparkfinetune.launch;

import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.DeviceChoice;
import org.sparkfinetune.config.ShardingStrategy;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.errors.UserError;

/**
 * Settings that are understood and not carried out yet. One that would change the result is an
 * error; one that only costs time or memory is said once.
 */
final class NotYet {
  private static final Logger LOG = LoggerFactory.getLogger(NotYet.class);

  private NotYet() {}

  static void check(TrainConfig config) {
    refuse(config.compute().device() == DeviceChoice.CUDA, "device: cuda", "use cpu or auto");
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
