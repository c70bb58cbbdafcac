package org.sparkfinetune.spark.train;

import java.util.List;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.errors.UserError;

/** Settings that are understood and not carried out yet. */
public final class NotYet {
  private NotYet() {}

  public static void check(TrainConfig config) {
    for (String module : config.lora().modulesToSave()) {
      refuse(
          !List.of("embed_tokens", "lm_head").contains(module),
          "modules_to_save: " + module,
          "embed_tokens and lm_head can be trained whole");
    }
  }

  private static void refuse(boolean asked, String what, String instead) {
    if (asked) {
      throw new UserError(what + " is not implemented yet; " + instead + ".");
    }
  }
}
