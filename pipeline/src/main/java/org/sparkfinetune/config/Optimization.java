package org.sparkfinetune.config;

/**
 * AdamW and its schedule.
 *
 * @param warmupRatio share of all steps, from 0 to 1
 * @param warmupSteps the same as a number; above 0 it wins over the ratio, as in transformers
 * @param maxGradNorm the global norm is clipped to it; 0: not clipped
 */
public record Optimization(
    double learningRate,
    LrSchedulerType lrSchedulerType,
    double warmupRatio,
    int warmupSteps,
    double weightDecay,
    double maxGradNorm) {
  public Optimization {
    TrainKeys.LEARNING_RATE.check(learningRate);
    TrainKeys.WARMUP_RATIO.check(warmupRatio);
    TrainKeys.WARMUP_STEPS.check(warmupSteps);
    TrainKeys.WEIGHT_DECAY.check(weightDecay);
    TrainKeys.MAX_GRAD_NORM.check(maxGradNorm);
  }
}
