package org.sparkfinetune.engine.train;

import org.sparkfinetune.config.ScheduleOptions;
import org.sparkfinetune.config.TrainConfig.LrSchedulerType;
import org.sparkfinetune.config.TrainConfig.Optimization;

/** The learning rate of a step, as transformers' schedulers of the same names give it. */
final class LearningRate {
  private final Optimization optimization;
  private final ScheduleOptions options;
  private final long totalSteps;
  private final long warmupSteps;

  LearningRate(Optimization optimization, long totalSteps) {
    this.optimization = optimization;
    this.options = optimization.schedule();
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
    LrSchedulerType type = optimization.lrSchedulerType();
    if (type == LrSchedulerType.CONSTANT) {
      return 1;
    }
    if (done < warmupSteps) {
      return warmup(type, (double) done / warmupSteps);
    }
    double progress = (double) (done - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
    return switch (type) {
      case CONSTANT, CONSTANT_WITH_WARMUP -> 1;
      case LINEAR -> Math.max(0, 1 - progress);
      case COSINE -> Math.max(0, cosine(progress, number("num_cycles", 0.5)));
      case COSINE_WITH_RESTARTS ->
          progress >= 1 ? 0 : Math.max(0, cosine((number("num_cycles", 1) * progress) % 1, 0.5));
      case COSINE_WITH_MIN_LR ->
          Math.max(0, above(least(), cosine(progress, number("num_cycles", 0.5))));
      case POLYNOMIAL -> polynomial(progress);
      case INVERSE_SQRT -> {
        double scale = number("timescale", warmupSteps > 0 ? warmupSteps : 10_000);
        yield 1 / Math.sqrt((done + scale - warmupSteps) / scale);
      }
      case WARMUP_STABLE_DECAY -> warmupStableDecay(done);
    };
  }

  private double warmup(LrSchedulerType type, double progress) {
    if (type != LrSchedulerType.WARMUP_STABLE_DECAY) {
      return progress;
    }
    double factor =
        switch (options.shape("warmup_type", "linear")) {
          case "cosine" -> 0.5 * (1 - Math.cos(Math.PI * progress));
          case "1-sqrt" -> 1 - Math.sqrt(1 - progress);
          default -> progress;
        };
    return Math.max(0, above(number("min_lr_ratio", 0), factor));
  }

  private double warmupStableDecay(long done) {
    double least = number("min_lr_ratio", 0);
    double decay = number("num_decay_steps", 0);
    double stable = number("num_stable_steps", totalSteps - warmupSteps - decay);
    if (done < warmupSteps + stable) {
      return 1;
    }
    if (done >= warmupSteps + stable + decay) {
      return least;
    }
    double progress = (done - warmupSteps - stable) / decay;
    double factor =
        switch (options.shape("decay_type", "cosine")) {
          case "linear" -> 1 - progress;
          case "1-sqrt" -> 1 - Math.sqrt(progress);
          default -> cosine(progress, number("num_cycles", 0.5));
        };
    return Math.max(0, above(least, factor));
  }

  private double polynomial(double progress) {
    double end = number("lr_end", 1e-7);
    double rate = optimization.learningRate();
    return ((rate - end) * Math.pow(1 - progress, number("power", 1)) + end) / rate;
  }

  /** The smallest factor of cosine_with_min_lr. */
  private double least() {
    return number("min_lr_rate", number("min_lr", 0) / optimization.learningRate());
  }

  private static double cosine(double progress, double cycles) {
    return 0.5 * (1 + Math.cos(Math.PI * cycles * 2 * progress));
  }

  private static double above(double least, double factor) {
    return factor * (1 - least) + least;
  }

  private double number(String option, double otherwise) {
    return options.number(option).orElse(otherwise);
  }
}
