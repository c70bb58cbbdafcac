package org.sparkfinetune.launch;

import java.util.List;
import java.util.function.IntFunction;
import org.sparkfinetune.metrics.AttemptEvent;
import org.sparkfinetune.metrics.AttemptLog;
import org.sparkfinetune.train.RankReport;

/** Writes down when the training was started and how each start ended. */
final class RecordedAttempts {
  private final AttemptLog log;
  private final long totalSteps;

  RecordedAttempts(AttemptLog log, long totalSteps) {
    this.log = log;
    this.totalSteps = totalSteps;
  }

  AttemptLoop.Attempt<List<RankReport>> recording(IntFunction<List<RankReport>> attempt) {
    return (number, checkpoint) -> {
      long step = checkpoint.orElse(0);
      log.add(AttemptEvent.Kind.STARTED, step, "");
      try {
        List<RankReport> reports = attempt.apply(number);
        long done = TrainDriver.steps(reports);
        log.add(
            done < totalSteps ? AttemptEvent.Kind.STOPPED : AttemptEvent.Kind.FINISHED, done, "");
        return reports;
      } catch (StageCancelled e) {
        log.add(AttemptEvent.Kind.STOPPED, step, "cancelled in Spark");
        throw e;
      } catch (AttemptFailure e) {
        log.add(AttemptEvent.Kind.FAILED, step, e.first().text());
        throw e;
      } catch (RuntimeException e) {
        log.add(AttemptEvent.Kind.FAILED, step, String.valueOf(e.getMessage()));
        throw e;
      }
    };
  }
}
