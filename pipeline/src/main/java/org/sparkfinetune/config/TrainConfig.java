package org.sparkfinetune.config;

import org.sparkfinetune.errors.UserError;

/**
 * Everything that {@code train} was asked for.
 *
 * @param outputDir Hadoop URI of the run folder
 * @param seed of row order, dropout and new adapters
 */
public record TrainConfig(
    ModelSource model,
    TrainingData data,
    Method method,
    LoraConfig lora,
    Parallelism parallelism,
    Compute compute,
    Optimization optimization,
    Loop loop,
    Reporting reporting,
    Checkpointing checkpointing,
    String outputDir,
    long seed) {
  public TrainConfig {
    TrainKeys.OUTPUT_DIR.check(outputDir);
    TrainKeys.SEED.check(seed);
    if (method == Method.FULL && model.adapter().isPresent()) {
      throw new UserError(
          ("adapter is %s, but method is full, which trains no adapter; merge the adapter into the"
                  + " model first, or use method qlora or lora")
              .formatted(model.adapter().get()));
    }
  }

  /** The same with a model whose place is known. */
  public TrainConfig with(ModelSource located) {
    return new TrainConfig(
        located,
        data,
        method,
        lora,
        parallelism,
        compute,
        optimization,
        loop,
        reporting,
        checkpointing,
        outputDir,
        seed);
  }
}
