package org.sparkfinetune.launch;

import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import org.apache.spark.api.java.JavaSparkContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.launch.ScalaBridge.ExecutorInfo;

/** Waits for executors and decides how many ranks there will be. */
public final class RankPlanner {
  private static final Logger LOG = LoggerFactory.getLogger(RankPlanner.class);
  private static final Duration POLL = Duration.ofMillis(200);

  /** Executors of a standalone cluster that are not there so long after the last one won't come. */
  private static final Duration STANDALONE_PATIENCE = Duration.ofSeconds(8);

  private static final Duration SETTLED = Duration.ofSeconds(3);

  private final JavaSparkContext spark;
  private final Master master;
  private final Duration queuePatience;

  /**
   * A planner for the context's executors.
   *
   * @param queuePatience how long YARN or Kubernetes may take to grant executors
   */
  public RankPlanner(JavaSparkContext spark, Duration queuePatience) {
    this.spark = spark;
    this.master = Master.of(spark.getConf());
    this.queuePatience = queuePatience;
  }

  /**
   * One rank for each executor.
   *
   * @param numRanks as configured, or empty for as many as there are executors
   * @throws UserError if there are fewer executors than ranks, or their sizes are so uneven that
   *     two ranks would fit in one
   */
  public RankPlan plan(OptionalInt numRanks) {
    ExecutorSettings.check(spark.getConf(), numRanks);
    OptionalInt wanted = numRanks.isPresent() ? numRanks : master.executors();
    List<ExecutorInfo> executors = await(wanted);
    int ranks = numRanks.orElse(executors.size());
    if (executors.size() < Math.max(1, ranks)) {
      throw ExecutorSettings.tooFew(master, Math.max(1, ranks), executors.size(), "gave");
    }
    return new RankPlan(ranks, cores(executors));
  }

  /**
   * Waits until {@code plan} can be started (again), after an executor was lost.
   *
   * @throws RunFailure if the cluster does not replace it
   */
  void awaitExecutors(RankPlan plan) {
    int found = await(OptionalInt.of(plan.worldSize())).size();
    if (found < plan.worldSize()) {
      throw new RunFailure(
          "%d executors are needed, %d are there, and master %s gave no others in time."
              .formatted(plan.worldSize(), found, master.url()));
    }
  }

  Master master() {
    return master;
  }

  private List<ExecutorInfo> await(OptionalInt wanted) {
    long start = System.nanoTime();
    long lastArrival = start;
    List<ExecutorInfo> executors = registered();
    while (!isEnough(executors, wanted, start, lastArrival)) {
      pause();
      List<ExecutorInfo> now = registered();
      if (now.size() > executors.size()) {
        lastArrival = System.nanoTime();
        LOG.info("{} executors have registered", now.size());
      }
      executors = now;
    }
    return executors;
  }

  private boolean isEnough(
      List<ExecutorInfo> executors, OptionalInt wanted, long start, long lastArrival) {
    if (wanted.isPresent() && executors.size() >= wanted.getAsInt()) {
      return true;
    }
    boolean queued = master.kind() == Master.Kind.QUEUED;
    if (wanted.isEmpty() && !executors.isEmpty() && !queued) {
      return isPast(lastArrival, SETTLED);
    }
    return queued ? isPast(start, queuePatience) : isPast(lastArrival, STANDALONE_PATIENCE);
  }

  private static boolean isPast(long since, Duration patience) {
    return System.nanoTime() - since >= patience.toNanos();
  }

  private List<ExecutorInfo> registered() {
    return ScalaBridge.executors(spark, master.isLocal());
  }

  private int cores(List<ExecutorInfo> executors) {
    int fewest = executors.stream().mapToInt(ExecutorInfo::cores).min().orElse(1);
    int most = executors.stream().mapToInt(ExecutorInfo::cores).max().orElse(1);
    if (most >= 2 * fewest && !master.isLocal()) {
      throw new UserError(
          "The executors have between %d and %d cores; one rank to an executor needs them alike. Set spark.executor.cores."
              .formatted(fewest, most));
    }
    return fewest;
  }

  private static void pause() {
    try {
      TimeUnit.MILLISECONDS.sleep(POLL.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new RunFailure("Interrupted while waiting for executors.", e);
    }
  }
}
