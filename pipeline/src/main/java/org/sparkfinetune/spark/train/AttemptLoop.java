package org.sparkfinetune.spark.train;

import java.util.List;
import java.util.OptionalLong;
import java.util.function.BooleanSupplier;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.engine.metrics.AttemptLog;
import org.sparkfinetune.engine.metrics.AttemptLog.AttemptEvent;
import org.sparkfinetune.engine.train.RankReport;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.Sentence;
import org.sparkfinetune.spark.cluster.BarrierStage.AttemptFailure;
import org.sparkfinetune.spark.cluster.BarrierStage.StageCancelled;
import org.sparkfinetune.spark.cluster.RootCause;
import org.sparkfinetune.spark.cluster.RootCause.FailureKind;
import org.sparkfinetune.store.Retry;

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

  /**
   * Writes down when the training was started and how each start ended. A store that does not take
   * the record does not end the run.
   */
  static final class RecordedAttempts {
    private static final Logger LOG = LoggerFactory.getLogger(RecordedAttempts.class);

    private final AttemptLog log;
    private final Retry retry;
    private final long totalSteps;

    RecordedAttempts(AttemptLog log, Retry retry, long totalSteps) {
      this.log = log;
      this.retry = retry;
      this.totalSteps = totalSteps;
    }

    AttemptLoop.Attempt<List<RankReport>> recording(IntFunction<List<RankReport>> attempt) {
      return (number, checkpoint) -> {
        long step = checkpoint.orElse(0);
        record(AttemptEvent.Kind.STARTED, step, "");
        try {
          List<RankReport> reports = attempt.apply(number);
          long done = TrainDriver.steps(reports);
          record(
              done < totalSteps ? AttemptEvent.Kind.STOPPED : AttemptEvent.Kind.FINISHED, done, "");
          return reports;
        } catch (StageCancelled e) {
          record(AttemptEvent.Kind.STOPPED, step, "cancelled in Spark");
          throw e;
        } catch (AttemptFailure e) {
          record(AttemptEvent.Kind.FAILED, step, e.first().text());
          throw e;
        } catch (RuntimeException e) {
          record(AttemptEvent.Kind.FAILED, step, String.valueOf(e.getMessage()));
          throw e;
        }
      };
    }

    private void record(AttemptEvent.Kind kind, long step, String why) {
      try {
        retry.tell(() -> log.add(kind, step, why));
      } catch (RunFailure e) {
        LOG.warn("{} This is not on record: {} at step {}. {}", e.getMessage(), kind, step, why);
      }
    }
  }
}
