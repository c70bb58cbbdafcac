package org.sparkfinetune.config;

import java.util.Optional;
import java.util.OptionalInt;

/**
 * How long is trained and how many rows make a step.
 *
 * @param numTrainEpochs passes over the data; may be a fraction
 * @param maxSteps optimizer steps; wins over the epochs
 * @param gradientAccumulationSteps micro-batches of a rank in one optimizer step
 */
public record Loop(
    double numTrainEpochs,
    OptionalInt maxSteps,
    int perDeviceTrainBatchSize,
    int perDeviceEvalBatchSize,
    int gradientAccumulationSteps) {
  public Loop {
    TrainKeys.NUM_TRAIN_EPOCHS.check(numTrainEpochs);
    maxSteps.ifPresent(steps -> TrainKeys.MAX_STEPS.check(Optional.of(steps)));
    maxSteps = maxSteps.orElse(-1) == -1 ? OptionalInt.empty() : maxSteps;
    TrainKeys.PER_DEVICE_TRAIN_BATCH_SIZE.check(perDeviceTrainBatchSize);
    TrainKeys.PER_DEVICE_EVAL_BATCH_SIZE.check(perDeviceEvalBatchSize);
    TrainKeys.GRADIENT_ACCUMULATION_STEPS.check(gradientAccumulationSteps);
  }
}
