package org.sparkfinetune.config;

/**
 * When checkpoints are written, how many are kept, and how a run goes on after it was cut off.
 *
 * @param saveSteps steps between checkpoints, under {@link IntervalStrategy#STEPS}
 * @param saveTotalLimit checkpoints kept
 * @param maxAttempts starts of the training before giving up
 */
public record Checkpointing(
    IntervalStrategy saveStrategy,
    int saveSteps,
    int saveTotalLimit,
    ResumeFrom resumeFrom,
    int maxAttempts) {
  public Checkpointing {
    TrainKeys.SAVE_STEPS.check(saveSteps);
    TrainKeys.SAVE_TOTAL_LIMIT.check(saveTotalLimit);
    TrainKeys.RESUME_FROM_CHECKPOINT.check(resumeFrom);
    TrainKeys.MAX_ATTEMPTS.check(maxAttempts);
  }
}
