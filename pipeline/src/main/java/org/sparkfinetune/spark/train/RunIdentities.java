package org.sparkfinetune.spark.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.sparkfinetune.config.ConfigLoader.Loaded;
import org.sparkfinetune.config.LoraOptions;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.config.TrainConfig.LrSchedulerType;
import org.sparkfinetune.engine.checkpoint.CheckpointManifest.RunIdentity;
import org.sparkfinetune.errors.Bug;

/** What of a configuration has to stay as it is for a run to go on. */
final class RunIdentities {
  /** Settings that shape the result; what shapes the rows is in their hash, too. */
  private static final List<String> KEYS =
      List.of(
          "method",
          "lora_r",
          "lora_alpha",
          "lora_dropout",
          "lora_target_modules",
          "use_rslora",
          "modules_to_save",
          "adapter",
          "bf16",
          "cross_sample_attention",
          "max_seq_length",
          "learning_rate",
          "lr_scheduler_type",
          "warmup_ratio",
          "warmup_steps",
          "weight_decay",
          "max_grad_norm",
          "per_device_train_batch_size",
          "gradient_accumulation_steps",
          "seed");

  /** The same, left out where they are not given: runs that began before they were there go on. */
  private static final List<String> OPTIONS =
      Stream.concat(LoraOptions.KEYS.stream(), Stream.of("router_aux_loss_coef")).toList();

  private static final Set<String> NOT_GIVEN = Set.of("", "[]", "true");

  /** More of them, with what the resolved configuration says where they are not given. */
  private static final Map<String, String> WITH_DEFAULTS =
      Map.ofEntries(
          Map.entry("lr_scheduler_kwargs", ""),
          Map.entry("adam_beta1", "0.9"),
          Map.entry("adam_beta2", "0.999"),
          Map.entry("adam_epsilon", "1.0E-8"),
          Map.entry("label_smoothing_factor", "0.0"),
          Map.entry("neftune_noise_alpha", ""),
          Map.entry("metric_for_best_model", "loss"),
          Map.entry("greater_is_better", ""),
          Map.entry("objective", "sft"),
          Map.entry("beta", "0.1"),
          Map.entry("loss_type", "[]"),
          Map.entry("loss_weights", "[]"),
          Map.entry("rpo_alpha", ""),
          Map.entry("disable_dropout", "true"));

  /** A run of constant rate may be made longer; every other schedule would change its past. */
  private static final List<String> LENGTH = List.of("num_train_epochs", "max_steps");

  /** By the name it is carried out under, so a run may go on under another name of the same. */
  private static final String OPTIMIZER = "optim";

  private RunIdentities() {}

  static RunIdentity of(Loaded<TrainConfig> loaded, String modelHash, String dataHash) {
    try {
      JsonNode yaml = new YAMLMapper().readTree(loaded.yaml());
      Map<String, String> values = new TreeMap<>();
      KEYS.forEach(key -> values.put(key, text(yaml, key)));
      OPTIONS.stream()
          .filter(key -> !NOT_GIVEN.contains(text(yaml, key)))
          .forEach(key -> values.put(key, text(yaml, key)));
      WITH_DEFAULTS.forEach(
          (key, otherwise) -> {
            if (!text(yaml, key).equals(otherwise)) {
              values.put(key, text(yaml, key));
            }
          });
      if (loaded.config().optimization().lrSchedulerType() != LrSchedulerType.CONSTANT) {
        LENGTH.forEach(key -> values.put(key, text(yaml, key)));
      }
      values.put(OPTIMIZER, loaded.config().optimization().optim().plain().text());
      values.put("hash of the model", modelHash);
      values.put("hash of the rows", dataHash);
      return new RunIdentity(values);
    } catch (JsonProcessingException e) {
      throw new Bug("A resolved configuration is not YAML.", e);
    }
  }

  private static String text(JsonNode yaml, String key) {
    JsonNode value = yaml.path(key);
    return value.isValueNode() && !value.isNull() ? value.asText() : value.toString();
  }
}
