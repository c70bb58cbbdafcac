package org.sparkfinetune.config;

import java.util.ArrayList;
import java.util.List;

/** One line for each key that the user gave and that means nothing or little here. */
final class TrainNotes {

  private static final List<Key<?>> ADAPTER_KEYS =
      List.of(
          TrainKeys.LORA_R,
          TrainKeys.LORA_ALPHA,
          TrainKeys.LORA_DROPOUT,
          TrainKeys.LORA_TARGET_MODULES,
          TrainKeys.USE_RSLORA,
          TrainKeys.MODULES_TO_SAVE);

  private final List<String> lines = new ArrayList<>();
  private final Values values;

  private TrainNotes(Values values) {
    this.values = values;
  }

  static List<String> of(Values values) {
    TrainNotes notes = new TrainNotes(values);
    notes.onSharding();
    notes.onCompute();
    notes.onSchedule();
    notes.onIntervals();
    notes.onMethod();
    return notes.lines;
  }

  private void onSharding() {
    Fsdp fsdp = values.of(TrainKeys.FSDP);
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
    if (values.of(TrainKeys.BACKWARD_PREFETCH).filter(this::isPost).isPresent()) {
      lines.add(
          "fsdp_config.backward_prefetch: backward_post acts as backward_pre; the next layer is"
              + " fetched while one is computed.");
    }
    note(TrainKeys.FORWARD_PREFETCH, "changes nothing; layers are prefetched in both directions.");
    note(
        TrainKeys.USE_ORIG_PARAMS,
        "changes nothing; frozen and trained weights are sharded apart.");
  }

  private boolean isPost(BackwardPrefetch prefetch) {
    return prefetch == BackwardPrefetch.BACKWARD_POST;
  }

  private void onCompute() {
    note(TrainKeys.TF32, "changes nothing; matrices are multiplied in bfloat16 or float32.");
    note(
        TrainKeys.GRADIENT_CHECKPOINTING_KWARGS,
        "changes nothing; recomputing is part of the layer loop, not of an autograd hook.");
    if (values.of(TrainKeys.OPTIM) == Optim.ADAMW_TORCH_FUSED) {
      lines.add("optim: adamw_torch_fused is adamw_torch; there is one AdamW.");
    }
  }

  private void onSchedule() {
    double ratio = values.of(TrainKeys.WARMUP_RATIO);
    int steps = values.of(TrainKeys.WARMUP_STEPS);
    if (values.of(TrainKeys.LR_SCHEDULER_TYPE) == LrSchedulerType.CONSTANT
        && (ratio > 0 || steps > 0)) {
      lines.add(
          "lr_scheduler_type: constant ignores %s; constant_with_warmup warms up."
              .formatted(steps > 0 ? "warmup_steps " + steps : "warmup_ratio " + ratio));
    } else if (ratio > 0 && steps > 0) {
      lines.add("warmup_ratio is not used, because warmup_steps is " + steps + ".");
    }
    if (values.isChanged(TrainKeys.NUM_TRAIN_EPOCHS)
        && values.of(TrainKeys.MAX_STEPS).filter(max -> max > 0).isPresent()) {
      lines.add("num_train_epochs is not used, because max_steps is given.");
    }
  }

  private void onIntervals() {
    if (values.isChanged(TrainKeys.SAVE_STEPS)
        && values.of(TrainKeys.SAVE_STRATEGY) != IntervalStrategy.STEPS) {
      lines.add("save_steps is not used, because save_strategy is not steps.");
    }
    int logging = values.of(TrainKeys.LOGGING_STEPS);
    if (values.of(TrainKeys.EVAL_STEPS).filter(steps -> steps != logging).isPresent()
        && values.of(TrainKeys.EVAL_STRATEGY) != IntervalStrategy.STEPS) {
      lines.add("eval_steps is not used, because eval_strategy is not steps.");
    }
  }

  private void onMethod() {
    if (values.of(TrainKeys.METHOD) == Method.FULL) {
      ADAPTER_KEYS.forEach(key -> note(key, "is not used, because method is full."));
    }
    if (values.of(TrainKeys.ADAPTER).isPresent()) {
      ADAPTER_KEYS.stream()
          .filter(key -> key != TrainKeys.LORA_DROPOUT)
          .forEach(key -> note(key, "is not used, because the adapter brings its own."));
    }
    if (values.of(TrainKeys.CROSS_SAMPLE_ATTENTION) && !values.of(TrainKeys.PACKING)) {
      lines.add("cross_sample_attention changes nothing, because packing is false.");
    }
  }

  private void note(Key<?> key, String text) {
    if (values.isChanged(key)) {
      lines.add(key + " " + text);
    }
  }
}
