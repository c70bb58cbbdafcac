package org.sparkfinetune.spark.cluster;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Properties;
import java.util.Set;
import org.apache.spark.ExecutorLostFailure;
import org.apache.spark.TaskFailedReason;
import org.apache.spark.TaskKilled;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.sparkfinetune.spark.cluster.RootCause.FailureKind;

/**
 * Listens to how the tasks of one job group end. A failed barrier stage tells its caller the text
 * of one task's failure, whichever came first, and that is often a rank that failed because of
 * another; here all of them are seen, with their exceptions.
 */
final class StageWatch extends SparkListener {
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private final String jobGroup;
  private final Set<Integer> stages = new HashSet<>();
  private final List<RootCause> ends = new ArrayList<>();
  private final Set<String> endingExecutors = new HashSet<>();
  private int ended;

  StageWatch(String jobGroup) {
    this.jobGroup = jobGroup;
  }

  @Override
  public synchronized void onStageSubmitted(SparkListenerStageSubmitted submitted) {
    Properties properties = submitted.properties();
    if (properties != null && jobGroup.equals(properties.getProperty("spark.jobGroup.id"))) {
      stages.add(submitted.stageInfo().stageId());
    }
  }

  @Override
  public synchronized void onTaskEnd(SparkListenerTaskEnd end) {
    if (stages.contains(end.stageId())) {
      if (end.reason() instanceof TaskFailedReason reason) {
        ends.add(cause(end, reason));
        if (ScalaBridge.thrown(reason).filter(RankFailure::endsExecutor).isPresent()) {
          endingExecutors.add(end.taskInfo().executorId());
        }
      }
      ended++;
      notifyAll();
    }
  }

  /** Those whose rank failed so that they end by themselves. */
  synchronized Set<String> endingExecutors() {
    return Set.copyOf(endingExecutors);
  }

  /** Waits until so many tasks have ended; a cancelled job returns to its caller before. */
  synchronized void awaitEnds(int tasks, Duration patience) {
    long start = System.nanoTime();
    while (ended < tasks) {
      long left = patience.minusNanos(System.nanoTime() - start).toMillis();
      if (left <= 0) {
        return;
      }
      try {
        wait(left);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
    }
  }

  private static RootCause cause(SparkListenerTaskEnd end, TaskFailedReason reason) {
    int rank = end.taskInfo().index();
    String host = end.taskInfo().host();
    if (reason instanceof ExecutorLostFailure lost) {
      return RootCause.lost(rank, host, ScalaBridge.lostBecause(lost));
    }
    return ScalaBridge.thrown(reason).map(RootCause::of).orElseGet(() -> other(rank, host, reason));
  }

  private static RootCause other(int rank, String host, TaskFailedReason reason) {
    FailureKind kind = reason instanceof TaskKilled ? FailureKind.CANCELLED : FailureKind.ERROR;
    RootCause stage = RootCause.stage(reason.toErrorString());
    return new RootCause(
        kind,
        OptionalInt.of(rank),
        stage.step(),
        "rank %s on %s".formatted(rank, host),
        stage.what(),
        "");
  }

  /** The first cause, after a moment for news that comes later than its consequences. */
  RootCause diagnose(String sparkMessage) {
    Optional<RootCause> cause = awaitCause();
    if (cause.isPresent()) {
      return cause.get();
    }
    synchronized (this) {
      return ends.stream()
          .filter(end -> end.kind() == FailureKind.CONSEQUENCE)
          .findFirst()
          .or(() -> ends.stream().findFirst())
          .orElseGet(() -> RootCause.stage(sparkMessage));
    }
  }

  private synchronized Optional<RootCause> awaitCause() {
    long start = System.nanoTime();
    while (true) {
      Optional<RootCause> cause = firstOwnCause();
      // A job that Spark refused has no stage and no task to wait for.
      Duration patience = stages.isEmpty() ? PATIENCE.dividedBy(10) : PATIENCE;
      long left = patience.minusNanos(System.nanoTime() - start).toMillis();
      if (cause.isPresent() || left <= 0) {
        return cause;
      }
      try {
        wait(left);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return Optional.empty();
      }
    }
  }

  /** Users' mistakes first: they are never a consequence, and no retry helps. */
  private Optional<RootCause> firstOwnCause() {
    return first(FailureKind.USER)
        .or(() -> first(FailureKind.BUG))
        .or(() -> first(FailureKind.LOST))
        .or(() -> first(FailureKind.ERROR));
  }

  private Optional<RootCause> first(FailureKind kind) {
    return ends.stream().filter(end -> end.kind() == kind).findFirst();
  }
}
