package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.sparkfinetune.config.Parallelism.BackwardPrefetch;
import org.sparkfinetune.config.Parallelism.Fsdp;
import org.sparkfinetune.config.TrainConfig.IntervalStrategy;
import org.sparkfinetune.config.TrainConfig.LrSchedulerType;
import org.sparkfinetune.config.TrainConfig.Method;
import org.sparkfinetune.config.TrainConfig.Optim;

/** One line for each key that the user gave and that means nothing or little here. */
final class TrainNotes {

  private static final List<String> ADAPTER_KEYS =
      Stream.concat(
              Stream.of(
                  "lora_r",
                  "lora_alpha",
                  "lora_dropout",
                  "lora_target_modules",
                  "use_rslora",
                  "modules_to_save"),
              LoraOptions.KEYS.stream())
          .toList();

  private final List<String> lines = new ArrayList<>();
  private final Values values;
  private final TrainConfig config;

  private TrainNotes(Values values, TrainConfig config) {
    this.values = values;
    this.config = config;
  }

  static List<String> of(Values values, TrainConfig config) {
    TrainNotes notes = new TrainNotes(values, config);
    notes.onSharding();
    notes.onCompute();
    notes.onSchedule();
    notes.onIntervals();
    notes.onCheckpoints();
    notes.onMethod();
    notes.onPreference();
    return notes.lines;
  }

  private void onSharding() {
    Fsdp fsdp = config.parallelism().fsdp();
    if (fsdp.autoWrap()) {
      lines.add("fsdp: auto_wrap changes nothing; a decoder layer is always the unit of sharding.");
    }
    switch (fsdp.strategy()) {
      case FULL_SHARD -> {}
      case SHARD_GRAD_OP ->
          lines.add("fsdp: shard_grad_op gathers frozen weights once for the run.");
      case NO_SHARD, HYBRID_SHARD ->
          lines.add(
              "fsdp: %s is about weights; gradients and optimizer state are sharded all the same."
                  .formatted(fsdp.strategy().text()));
    }
    if (fsdp.offload()) {
      lines.add(
          "fsdp: offload keeps frozen shards on the host of a GPU; on a CPU they are there"
              + " anyway.");
    }
    if (config.parallelism().prefetch().equals(Optional.of(BackwardPrefetch.BACKWARD_POST))) {
      lines.add(
          "fsdp_config.backward_prefetch: backward_post acts as backward_pre; the next layer is"
              + " fetched while one is computed.");
    }
    note(
        "fsdp_config.forward_prefetch",
        "changes nothing; layers are prefetched in both directions.");
    note(
        "fsdp_config.use_orig_params",
        "changes nothing; frozen and trained weights are sharded apart.");
  }

  private void onCompute() {
    note("tf32", "changes nothing; matrices are multiplied in bfloat16 or float32.");
    note(
        "gradient_checkpointing_kwargs",
        "changes nothing; recomputing is part of the layer loop, not of an autograd hook.");
    Optim optim = config.optimization().optim();
    switch (optim) {
      case ADAMW_TORCH, ADAMW_8BIT, ADAMW_BNB_8BIT -> {}
      case ADAMW_TORCH_FUSED ->
          lines.add("optim: adamw_torch_fused is adamw_torch; its operators are the same always.");
      case PAGED_ADAMW_8BIT, PAGED_ADAMW_32BIT ->
          lines.add(
              "optim: %s is %s; no state is paged, and each rank holds its share."
                  .formatted(optim.text(), optim.plain().text()));
    }
  }

  private void onSchedule() {
    double ratio = config.optimization().warmupRatio();
    int steps = config.optimization().warmupSteps();
    if (config.optimization().lrSchedulerType() == LrSchedulerType.CONSTANT
        && (ratio > 0 || steps > 0)) {
      lines.add(
          "lr_scheduler_type: constant ignores %s; constant_with_warmup warms up."
              .formatted(steps > 0 ? "warmup_steps " + steps : "warmup_ratio " + ratio));
    } else if (ratio > 0 && steps > 0) {
      lines.add("warmup_ratio is not used, because warmup_steps is " + steps + ".");
    }
    if (config.loop().maxSteps().isPresent()) {
      note("num_train_epochs", "is not used, because max_steps is given.");
    }
  }

  private void onIntervals() {
    if (config.checkpointing().saveStrategy() != IntervalStrategy.STEPS) {
      note("save_steps", "is not used, because save_strategy is not steps.");
    }
    if (config.reporting().evalStrategy() == IntervalStrategy.NO) {
      note("eval_delay", "is not used, because eval_strategy is no.");
    }
    if (config.reporting().evalSteps() != config.reporting().loggingSteps()
        && config.reporting().evalStrategy() != IntervalStrategy.STEPS) {
      lines.add("eval_steps is not used, because eval_strategy is not steps.");
    }
  }

  private void onCheckpoints() {
    if (config.checkpointing().saveOnlyModel()) {
      lines.add(
          "save_only_model: a run that fails begins again at its first step; only one that is"
              + " stopped saves all and can go on.");
    }
  }

  private void onMethod() {
    if (config.method() == Method.FULL) {
      ADAPTER_KEYS.forEach(key -> note(key, "is not used, because method is full."));
    }
    if (config.model().adapter().isPresent()) {
      ADAPTER_KEYS.stream()
          .filter(key -> !key.equals("lora_dropout") && !key.equals("loraplus_lr_ratio"))
          .forEach(key -> note(key, "is not used, because the adapter brings its own."));
    }
    if (config.data().crossSampleAttention() && !config.data().packing()) {
      lines.add("cross_sample_attention changes nothing, because packing is false.");
    }
  }

  private void onPreference() {
    if (config.data().isPreference()) {
      if (values.where("learning_rate").equals(values.where("objective"))) {
        lines.add("learning_rate is 1e-6, TRL's for DPO, because objective is dpo.");
      }
      note(
          "packing",
          "changes nothing with objective: dpo; a row is a pair, and padding is left out.");
      note(
          "assistant_only_loss",
          "changes nothing with objective: dpo; what follows the prompt is trained.");
      if (config.method() != Method.FULL && config.preference().disableDropout()) {
        note(
            "lora_dropout",
            "is not used with objective: dpo, as in TRL; disable_dropout: false uses it.");
      }
    } else {
      List.of("beta", "loss_weights", "rpo_alpha", "disable_dropout")
          .forEach(key -> note(key, "changes nothing without objective: dpo."));
    }
  }

  private void note(String key, String text) {
    if (values.isChanged(key)) {
      lines.add(key + " " + text);
    }
  }
}
