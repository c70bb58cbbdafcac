package org.sparkfinetune.spark.train;

import java.util.OptionalLong;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.Sentence;
import org.sparkfinetune.spark.cluster.BarrierStage.AttemptFailure;
import org.sparkfinetune.spark.cluster.RootCause.FailureKind;
import org.sparkfinetune.spark.cluster.RootCause;

/**
 * Starts a run again after a failure, from the last complete checkpoint. Not after a user's
 * mistake, and not when the same failure of our own happens at the same step twice; a lost executor
 * is nobody's fault and never counts as that.
 */
public final class AttemptLoop {
  private static final Logger LOG = LoggerFactory.getLogger(AttemptLoop.class);

  /** One start of the run. */
  @FunctionalInterface
  public interface Attempt<T> {
    /**
     * Runs to the end or throws.
     *
     * @param number 0 for the first start
     * @param checkpoint step of the last complete checkpoint, if there is one
     */
    T run(int number, OptionalLong checkpoint);
  }

  private final int maxAttempts;
  private final Supplier<OptionalLong> lastCheckpoint;
  private final BooleanSupplier stopping;

  /**
   * A loop that has not started.
   *
   * @param maxAttempts starts before giving up, at least 1
   * @param lastCheckpoint looks up the step that a start goes on from; asked once for each
   * @param stopping whether the run was asked to end, after which there is no other start
   */
  public AttemptLoop(
      int maxAttempts, Supplier<OptionalLong> lastCheckpoint, BooleanSupplier stopping) {
    this.maxAttempts = maxAttempts;
    this.lastCheckpoint = lastCheckpoint;
    this.stopping = stopping;
  }

  /**
   * Runs attempts until one succeeds.
   *
   * @return what the attempt that succeeded returned
   * @throws org.sparkfinetune.errors.UserError as thrown by an attempt
   * @throws RunFailure when attempts are used up or another would fail likewise
   */
  public <T> T run(Attempt<T> attempt) {
    @Nullable RootCause earlier = null;
    OptionalLong checkpoint = lastCheckpoint.get();
    for (int number = 0; ; number++) {
      try {
        return attempt.run(number, checkpoint);
      } catch (AttemptFailure failure) {
        RootCause first = failure.first();
        LOG.error("Attempt {} failed: {}\n{}", number + 1, first.text(), first.stack());
        if (stopping.getAsBoolean()) {
          throw ended(first, "It was being stopped, so it is not started again.", failure);
        }
        if (earlier != null && first.repeats(earlier)) {
          throw ended(
              first,
              "It failed in the same way at the same step before, so another start would too.",
              failure);
        }
        if (number + 1 >= maxAttempts) {
          throw ended(
              first,
              "That was start %s of max_attempts %s.".formatted(number + 1, maxAttempts),
              failure);
        }
        earlier = first;
        checkpoint = lastCheckpoint.get();
        announce(number + 2, checkpoint);
      }
    }
  }

  private void announce(int attempt, OptionalLong checkpoint) {
    LOG.warn(
        "Starting attempt {} of {} {}",
        attempt,
        maxAttempts,
        checkpoint.isPresent()
            ? "from the checkpoint of step " + checkpoint.getAsLong()
            : "from the beginning, there is no complete checkpoint");
  }

  private static RuntimeException ended(RootCause first, String why, AttemptFailure failure) {
    String message =
        "The run failed. First cause: %s %s".formatted(Sentence.ended(first.text()), why);
    return first.kind() == FailureKind.BUG
        ? new Bug(message, failure)
        : new RunFailure(message, failure);
  }
}
