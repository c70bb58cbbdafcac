package org.sparkfinetune.config;

import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/** Makes the records of {@code train} from the values of its keys. */
final class TrainAssembler {

  private TrainAssembler() {}

  /** Defaults that follow from other keys, as in transformers. */
  static Values withDependentDefaults(Values values) {
    return values.of(TrainKeys.EVAL_STEPS).isPresent()
        ? values
        : values.with(TrainKeys.EVAL_STEPS, Optional.of(values.of(TrainKeys.LOGGING_STEPS)));
  }

  static TrainConfig assemble(Values values) {
    return new TrainConfig(
        model(values),
        data(values),
        values.of(TrainKeys.METHOD),
        lora(values),
        parallelism(values),
        new Compute(
            values.of(TrainKeys.DEVICE),
            values.of(TrainKeys.BF16),
            values.of(TrainKeys.GRADIENT_CHECKPOINTING)),
        optimization(values),
        loop(values),
        reporting(values),
        checkpointing(values),
        values.of(TrainKeys.OUTPUT_DIR),
        values.of(TrainKeys.SEED));
  }

  private static ModelSource model(Values values) {
    return new ModelSource(
        values.of(TrainKeys.MODEL_ID),
        values.of(TrainKeys.REVISION),
        values.of(TrainKeys.TOKENIZER),
        values.of(TrainKeys.ADAPTER));
  }

  private static TrainingData data(Values values) {
    return new TrainingData(
        values.of(TrainKeys.DATASET_PATH),
        values.of(TrainKeys.MAX_SEQ_LENGTH),
        values.of(TrainKeys.PACKING),
        values.of(TrainKeys.CROSS_SAMPLE_ATTENTION),
        values.of(TrainKeys.CHAT_TEMPLATE),
        values.of(TrainKeys.OVERLONG),
        values.of(TrainKeys.ASSISTANT_ONLY_LOSS));
  }

  private static LoraConfig lora(Values values) {
    return new LoraConfig(
        values.of(TrainKeys.LORA_R),
        values.of(TrainKeys.LORA_ALPHA),
        values.of(TrainKeys.LORA_DROPOUT),
        values.of(TrainKeys.LORA_TARGET_MODULES),
        values.of(TrainKeys.USE_RSLORA),
        values.of(TrainKeys.MODULES_TO_SAVE));
  }

  private static Parallelism parallelism(Values values) {
    Fsdp fsdp = values.of(TrainKeys.FSDP);
    boolean prefetch =
        !values.of(TrainKeys.BACKWARD_PREFETCH).equals(Optional.of(BackwardPrefetch.NO_PREFETCH));
    return new Parallelism(
        optionalInt(values.of(TrainKeys.NUM_RANKS)),
        fsdp.strategy(),
        fsdp.offload(),
        prefetch,
        values.of(TrainKeys.EXCHANGE),
        values.of(TrainKeys.ACTIVATION_OFFLOAD),
        optionalLong(values.of(TrainKeys.ACTIVATION_MEMORY)));
  }

  private static Optimization optimization(Values values) {
    return new Optimization(
        values.of(TrainKeys.LEARNING_RATE),
        values.of(TrainKeys.LR_SCHEDULER_TYPE),
        values.of(TrainKeys.WARMUP_RATIO),
        values.of(TrainKeys.WARMUP_STEPS),
        values.of(TrainKeys.WEIGHT_DECAY),
        values.of(TrainKeys.MAX_GRAD_NORM));
  }

  private static Loop loop(Values values) {
    return new Loop(
        values.of(TrainKeys.NUM_TRAIN_EPOCHS),
        optionalInt(values.of(TrainKeys.MAX_STEPS)),
        values.of(TrainKeys.PER_DEVICE_TRAIN_BATCH_SIZE),
        values.of(TrainKeys.PER_DEVICE_EVAL_BATCH_SIZE),
        values.of(TrainKeys.GRADIENT_ACCUMULATION_STEPS));
  }

  private static Reporting reporting(Values values) {
    return new Reporting(
        values.of(TrainKeys.LOGGING_STEPS),
        values.of(TrainKeys.REPORT_TO),
        values.of(TrainKeys.EVAL_STRATEGY),
        values.of(TrainKeys.EVAL_STEPS).orElse(values.of(TrainKeys.LOGGING_STEPS)),
        values.of(TrainKeys.EVAL_ON_START));
  }

  private static Checkpointing checkpointing(Values values) {
    return new Checkpointing(
        values.of(TrainKeys.SAVE_STRATEGY),
        values.of(TrainKeys.SAVE_STEPS),
        values.of(TrainKeys.SAVE_TOTAL_LIMIT),
        values.of(TrainKeys.RESUME_FROM_CHECKPOINT),
        values.of(TrainKeys.MAX_ATTEMPTS));
  }

  private static OptionalInt optionalInt(Optional<Integer> value) {
    return value.map(OptionalInt::of).orElse(OptionalInt.empty());
  }

  private static OptionalLong optionalLong(Optional<Long> value) {
    return value.map(OptionalLong::of).orElse(OptionalLong.empty());
  }
}
