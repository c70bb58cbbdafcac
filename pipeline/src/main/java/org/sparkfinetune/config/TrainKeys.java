package org.sparkfinetune.config;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The keys of {@code train}: transformers', TRL's and PEFT's names where they have one, and the
 * defaults that the records promise.
 */
final class TrainKeys {

  static final Key<String> MODEL_ID =
      Key.required("model_id", KeyTypes.model(), "model: folder, Hadoop URI or hub id")
          .alias("model_name_or_path");
  static final Key<String> REVISION =
      Key.of("revision", KeyTypes.text("a branch, tag or commit"), "main", "the model's revision");
  static final Key<Optional<String>> TOKENIZER =
      Key.optional("tokenizer", KeyTypes.model(), "another tokenizer than the model's");
  static final Key<Optional<String>> ADAPTER =
      Key.optional(
          "adapter",
          KeyTypes.model(),
          "an existing PEFT adapter to start from; r, alpha and modules are its own");

  static final Key<String> DATASET_PATH =
      Key.required(
          "dataset_path",
          KeyTypes.path(),
          "what prepare wrote, or a folder with the two JSON files");
  static final Key<Integer> MAX_SEQ_LENGTH =
      Key.of("max_seq_length", KeyTypes.integer(2), 512, "tokens of a row").alias("max_seq_len");
  static final Key<Boolean> PACKING =
      Key.of("packing", KeyTypes.bool(), true, "several samples in a row");
  static final Key<Boolean> CROSS_SAMPLE_ATTENTION =
      Key.of(
          "cross_sample_attention",
          KeyTypes.bool(),
          false,
          "samples of a row attend to each other, as in the reference");
  static final Key<Optional<String>> CHAT_TEMPLATE =
      Key.optional(
          "chat_template",
          KeyTypes.chatTemplate(),
          "reference, llama3, chatml, tokenizer, or a file; without it the tokenizer's, if it has"
              + " one, else reference");
  static final Key<Overlong> OVERLONG =
      Key.of(
          "overlong",
          KeyTypes.choice(Overlong.class),
          Overlong.DROP,
          "samples longer than a row: dropped (and counted), truncated, split, or an error");
  static final Key<Boolean> ASSISTANT_ONLY_LOSS =
      Key.of("assistant_only_loss", KeyTypes.bool(), false, "train on assistant turns alone");

  static final Key<Method> METHOD =
      Key.of(
          "method",
          KeyTypes.choice(Method.class),
          Method.QLORA,
          "adapters over NF4, adapters over 16 bits, or all weights");
  static final Key<Integer> LORA_R =
      Key.of("lora_r", KeyTypes.integer(1), 16, "rank of the adapters");
  static final Key<Double> LORA_ALPHA =
      Key.of("lora_alpha", KeyTypes.number(Range.above(0)), 8.0, "scaling is lora_alpha / lora_r");
  static final Key<Double> LORA_DROPOUT =
      Key.of(
          "lora_dropout",
          KeyTypes.number(Range.belowFrom(0, 1)),
          0.05,
          "dropout before the adapters");
  static final Key<List<String>> LORA_TARGET_MODULES =
      Key.of(
          "lora_target_modules",
          KeyTypes.words("all-linear, or names or patterns of linear layers")
              .only(
                  "all-linear, or names or patterns of linear layers",
                  words -> !words.isEmpty() && words.stream().noneMatch(String::isBlank)),
          List.of("all-linear"),
          "layers with an adapter");
  static final Key<Boolean> USE_RSLORA =
      Key.of("use_rslora", KeyTypes.bool(), false, "scaling is lora_alpha / sqrt(lora_r)");
  static final Key<List<String>> MODULES_TO_SAVE =
      Key.of(
          "modules_to_save",
          KeyTypes.words("names of modules such as embed_tokens and lm_head"),
          List.of(),
          "embed_tokens, lm_head: trained whole beside the adapters");

  static final Key<Optional<Integer>> NUM_RANKS =
      Key.optional(
          "num_ranks", KeyTypes.integer(1), "ranks, one per executor; without it all executors");
  static final Key<Fsdp> FSDP =
      Key.of(
          "fsdp",
          KeyTypes.fsdp(),
          new Fsdp(ShardingStrategy.FULL_SHARD, false, false),
          "sharding, and offload of frozen shards to the host");
  static final Key<Optional<BackwardPrefetch>> BACKWARD_PREFETCH =
      Key.optional(
          "fsdp_config.backward_prefetch",
          KeyTypes.choice(BackwardPrefetch.class),
          "fetch the next layer while one is computed");
  static final Key<Optional<Boolean>> FORWARD_PREFETCH =
      Key.optional("fsdp_config.forward_prefetch", KeyTypes.bool(), "accepted; always so");
  static final Key<Optional<Boolean>> USE_ORIG_PARAMS =
      Key.optional("fsdp_config.use_orig_params", KeyTypes.bool(), "accepted; means nothing here");
  static final Key<ExchangeMode> EXCHANGE =
      Key.of(
          "exchange",
          KeyTypes.choice(ExchangeMode.class),
          ExchangeMode.AUTO,
          "map the shards of ranks on the same host, or always use the network");
  static final Key<Boolean> ACTIVATION_OFFLOAD =
      Key.of(
          "activation_offload",
          KeyTypes.bool(),
          false,
          "spill activations between layers to a mapped file");
  static final Key<Optional<Long>> ACTIVATION_MEMORY =
      Key.optional(
          "activation_memory",
          KeyTypes.bytes(),
          "what layers keep for backward may take so much (8GB, a number of bytes) on each rank;"
              + " larger steps run in groups of batches; without it half of the memory");

  static final Key<DeviceChoice> DEVICE =
      Key.of(
          "device",
          KeyTypes.choice(DeviceChoice.class),
          DeviceChoice.AUTO,
          "where to compute; auto: on the GPU that Spark gave the executor, if any");
  static final Key<Boolean> BF16 =
      Key.of("bf16", KeyTypes.bool(), true, "compute in bfloat16; false: float32");
  static final Key<Optional<Boolean>> TF32 =
      Key.optional("tf32", KeyTypes.bool(), "accepted; means nothing here");
  static final Key<GradientCheckpointing> GRADIENT_CHECKPOINTING =
      Key.of(
          "gradient_checkpointing",
          KeyTypes.choice(GradientCheckpointing.class),
          GradientCheckpointing.ON,
          "keep only the inputs of layers and compute the rest again");
  static final Key<Optional<Map<String, String>>> GRADIENT_CHECKPOINTING_KWARGS =
      Key.optional(
          "gradient_checkpointing_kwargs",
          KeyTypes.textMap("a mapping"),
          "accepted; means nothing here");

  static final Key<Double> LEARNING_RATE =
      Key.of("learning_rate", KeyTypes.number(Range.above(0)), 2e-4, "AdamW's rate at its peak");
  static final Key<LrSchedulerType> LR_SCHEDULER_TYPE =
      Key.of(
          "lr_scheduler_type",
          KeyTypes.choice(LrSchedulerType.class),
          LrSchedulerType.CONSTANT,
          "how the rate changes over the run");
  static final Key<Double> WARMUP_RATIO =
      Key.of(
          "warmup_ratio",
          KeyTypes.number(Range.between(0, 1)),
          0.0,
          "share of the steps in which the rate rises");
  static final Key<Integer> WARMUP_STEPS =
      Key.of("warmup_steps", KeyTypes.integer(0), 0, "the same as a number; wins over the ratio");
  static final Key<Double> WEIGHT_DECAY =
      Key.of("weight_decay", KeyTypes.number(Range.atLeast(0)), 0.0, "AdamW's decay");
  static final Key<Double> MAX_GRAD_NORM =
      Key.of(
          "max_grad_norm",
          KeyTypes.number(Range.atLeast(0)),
          0.3,
          "the global gradient norm is clipped to it; 0: not clipped");
  static final Key<Optim> OPTIM =
      Key.of("optim", KeyTypes.choice(Optim.class), Optim.ADAMW_TORCH, "the optimizer");

  static final Key<Double> NUM_TRAIN_EPOCHS =
      Key.of("num_train_epochs", KeyTypes.number(Range.above(0)), 3.0, "passes over the data");
  static final Key<Optional<Integer>> MAX_STEPS =
      Key.optional(
          "max_steps",
          KeyTypes.integer(-1)
              .only("a whole number of at least 1, or -1 for no limit", s -> s == -1 || s > 0),
          "optimizer steps after which to stop, whatever num_train_epochs says");
  static final Key<Integer> PER_DEVICE_TRAIN_BATCH_SIZE =
      Key.of("per_device_train_batch_size", KeyTypes.integer(1), 1, "rows of a micro-batch");
  static final Key<Integer> PER_DEVICE_EVAL_BATCH_SIZE =
      Key.of("per_device_eval_batch_size", KeyTypes.integer(1), 1, "the same in evaluation");
  static final Key<Integer> GRADIENT_ACCUMULATION_STEPS =
      Key.of(
          "gradient_accumulation_steps",
          KeyTypes.integer(1),
          1,
          "micro-batches of a rank in an optimizer step");
  static final Key<Long> SEED =
      Key.of("seed", KeyTypes.longInteger(0), 42L, "orders, dropout and new adapters follow it");

  static final Key<String> OUTPUT_DIR =
      Key.required("output_dir", KeyTypes.path(), "the run folder, where everything is written");
  static final Key<Integer> LOGGING_STEPS =
      Key.of("logging_steps", KeyTypes.integer(1), 10, "optimizer steps between two log lines");
  static final Key<Set<Reporter>> REPORT_TO =
      Key.of(
          "report_to",
          KeyTypes.choicesOrNone(Reporter.class),
          Set.of(Reporter.TENSORBOARD),
          "where metrics go besides metrics.jsonl");
  static final Key<IntervalStrategy> EVAL_STRATEGY =
      Key.of(
              "eval_strategy",
              KeyTypes.choice(IntervalStrategy.class),
              IntervalStrategy.EPOCH,
              "when to evaluate")
          .alias("evaluation_strategy");
  static final Key<Optional<Integer>> EVAL_STEPS =
      Key.optional(
          "eval_steps",
          KeyTypes.integer(1),
          "steps between two evaluations; without it logging_steps");
  static final Key<Boolean> EVAL_ON_START =
      Key.of("eval_on_start", KeyTypes.bool(), false, "evaluate before the first step too");
  static final Key<IntervalStrategy> SAVE_STRATEGY =
      Key.of(
          "save_strategy",
          KeyTypes.choice(IntervalStrategy.class),
          IntervalStrategy.EPOCH,
          "when to write a checkpoint");
  static final Key<Integer> SAVE_STEPS =
      Key.of("save_steps", KeyTypes.integer(1), 500, "steps between two checkpoints");
  static final Key<Integer> SAVE_TOTAL_LIMIT =
      Key.of("save_total_limit", KeyTypes.integer(1), 3, "checkpoints that are kept");
  static final Key<ResumeFrom> RESUME_FROM_CHECKPOINT =
      Key.of(
          "resume_from_checkpoint",
          KeyTypes.resumeFrom(),
          new ResumeFrom.Auto(),
          "auto (the newest complete one, if any), never, or a path (later ones are set aside)");
  static final Key<Integer> MAX_ATTEMPTS =
      Key.of("max_attempts", KeyTypes.integer(1), 3, "starts of the training before giving up");

  static final KeyTable TABLE =
      new KeyTable(
          "train",
          List.of(
              MODEL_ID,
              REVISION,
              TOKENIZER,
              ADAPTER,
              DATASET_PATH,
              MAX_SEQ_LENGTH,
              PACKING,
              CROSS_SAMPLE_ATTENTION,
              CHAT_TEMPLATE,
              OVERLONG,
              ASSISTANT_ONLY_LOSS,
              METHOD,
              LORA_R,
              LORA_ALPHA,
              LORA_DROPOUT,
              LORA_TARGET_MODULES,
              USE_RSLORA,
              MODULES_TO_SAVE,
              NUM_RANKS,
              FSDP,
              BACKWARD_PREFETCH,
              FORWARD_PREFETCH,
              USE_ORIG_PARAMS,
              EXCHANGE,
              ACTIVATION_OFFLOAD,
              ACTIVATION_MEMORY,
              DEVICE,
              BF16,
              TF32,
              GRADIENT_CHECKPOINTING,
              GRADIENT_CHECKPOINTING_KWARGS,
              LEARNING_RATE,
              LR_SCHEDULER_TYPE,
              WARMUP_RATIO,
              WARMUP_STEPS,
              WEIGHT_DECAY,
              MAX_GRAD_NORM,
              OPTIM,
              NUM_TRAIN_EPOCHS,
              MAX_STEPS,
              PER_DEVICE_TRAIN_BATCH_SIZE,
              PER_DEVICE_EVAL_BATCH_SIZE,
              GRADIENT_ACCUMULATION_STEPS,
              SEED,
              OUTPUT_DIR,
              LOGGING_STEPS,
              REPORT_TO,
              EVAL_STRATEGY,
              EVAL_STEPS,
              EVAL_ON_START,
              SAVE_STRATEGY,
              SAVE_STEPS,
              SAVE_TOTAL_LIMIT,
              RESUME_FROM_CHECKPOINT,
              MAX_ATTEMPTS));

  private TrainKeys() {}
}
