package org.sparkfinetune.engine.train;

/** What a training run tells as it goes; called on the rank's training thread. */
public interface TrainingEvents {
  /**
   * After an optimizer step.
   *
   * @param loss mean over the step's trained tokens of all ranks
   * @param tokens of all ranks that went through the model, padding left out
   */
  record Step(
      long step,
      double epoch,
      double loss,
      double gradNorm,
      double learningRate,
      long trainedTokens,
      long tokens,
      int rows,
      double seconds) {}

  record Evaluated(long step, double epoch, double loss, long trainedTokens, double seconds) {}

  void step(Step step);

  void evaluated(Evaluated evaluated);
}
