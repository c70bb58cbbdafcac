package org.sparkfinetune.spark.train;

import java.util.List;
import java.util.function.IntFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.engine.metrics.AttemptLog.AttemptEvent;
import org.sparkfinetune.engine.metrics.AttemptLog;
import org.sparkfinetune.engine.train.RankRun.RankReport;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.spark.cluster.BarrierStage.AttemptFailure;
import org.sparkfinetune.spark.cluster.BarrierStage.StageCancelled;
import org.sparkfinetune.store.StorePatience;

/**
 * Writes down when the training was started and how each start ended. A store that does not take
 * the record does not end the run.
 */
final class RecordedAttempts {
  private static final Logger LOG = LoggerFactory.getLogger(RecordedAttempts.class);

  private final AttemptLog log;
  private final StorePatience store;
  private final long totalSteps;

  RecordedAttempts(AttemptLog log, StorePatience store, long totalSteps) {
    this.log = log;
    this.store = store;
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
      store.tell(() -> log.add(kind, step, why));
    } catch (RunFailure e) {
      LOG.warn("{} This is not on record: {} at step {}. {}", e.getMessage(), kind, step, why);
    }
  }
}
