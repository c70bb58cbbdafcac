package org.sparkfinetune.engine.train;

import org.sparkfinetune.config.TrainConfig.Optimization;

/** The learning rate of a step, as transformers' schedulers of the same names give it. */
final class LearningRate {
  private final Optimization optimization;
  private final long totalSteps;
  private final long warmupSteps;

  LearningRate(Optimization optimization, long totalSteps) {
    this.optimization = optimization;
    this.totalSteps = totalSteps;
    this.warmupSteps =
        optimization.warmupSteps() > 0
            ? optimization.warmupSteps()
            : (long) Math.ceil(totalSteps * optimization.warmupRatio());
  }

  /**
   * @param step from 1
   */
  double at(long step) {
    return optimization.learningRate() * factor(step - 1);
  }

  private double factor(long done) {
    boolean warming = done < warmupSteps;
    double warmup = (double) done / Math.max(1, warmupSteps);
    double progress = (double) (done - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
    return switch (optimization.lrSchedulerType()) {
      case CONSTANT -> 1;
      case CONSTANT_WITH_WARMUP -> warming ? warmup : 1;
      case LINEAR -> warming ? warmup : Math.max(0, 1 - progress);
      case COSINE -> warming ? warmup : Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
    };
  }
}
