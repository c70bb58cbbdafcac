package org.sparkfinetune.spark.cluster;

import java.io.Serializable;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.spark.api.java.JavaSparkContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.cluster.ScalaBridge.ExecutorInfo;

/** Waits for executors and decides how many ranks there will be. */
public final class RankPlanner {
  private static final Logger LOG = LoggerFactory.getLogger(RankPlanner.class);
  private static final Duration POLL = Duration.ofMillis(200);

  /**
   * A standalone master starts all executors at once: so long after the last, no more will come.
   */
  private static final Duration FOR_RANKS_ASKED_FOR = Duration.ofSeconds(5);

  /** Nobody asked for a number, and fewer ranks than could be are worth a longer wait. */
  private static final Duration FOR_ALL_THERE_ARE = Duration.ofSeconds(20);

  private static final Duration SETTLED = Duration.ofSeconds(5);

  /** From the failure of a task until the driver knows that its executor has ended. */
  private static final Duration UNTIL_GONE = Duration.ofSeconds(30);

  private final JavaSparkContext spark;
  private final ClusterSettings master;
  private final Duration patience;

  /**
   * A planner for the context's executors.
   *
   * @param patience how long the cluster may take to give executors, the first ones and after a
   *     loss
   */
  public RankPlanner(JavaSparkContext spark, Duration patience) {
    this.spark = spark;
    this.master = ClusterSettings.of(spark.getConf());
    this.patience = patience;
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
    List<ExecutorInfo> executors =
        await(wanted, numRanks.isPresent() ? FOR_RANKS_ASKED_FOR : FOR_ALL_THERE_ARE);
    int ranks = numRanks.orElse(executors.size());
    if (numRanks.isEmpty() && wanted.isPresent() && ranks < wanted.getAsInt()) {
      LOG.warn("Up to {} executors are allowed, but only {} came", wanted.getAsInt(), ranks);
    }
    if (executors.size() < Math.max(1, ranks)) {
      throw ExecutorSettings.tooFew(master, Math.max(1, ranks), executors.size(), "gave");
    }
    return new RankPlan(ranks, cores(executors));
  }

  /**
   * The ranks of a local cluster by its settings alone, which say what will come.
   *
   * @throws UserError as {@link #plan}
   */
  public static RankPlan expected(ClusterSettings localCluster, OptionalInt numRanks) {
    int executors = localCluster.executors().orElseThrow();
    int ranks = numRanks.orElse(executors);
    if (executors < Math.max(1, ranks)) {
      throw ExecutorSettings.tooFew(localCluster, Math.max(1, ranks), executors, "allow");
    }
    return new RankPlan(ranks, localCluster.coresPerExecutor().orElseThrow());
  }

  /**
   * Waits until {@code plan} can be started (again), after an executor was lost.
   *
   * @throws RunFailure if the cluster does not replace it
   */
  public void awaitExecutors(RankPlan plan) {
    int found = awaitAll(plan.worldSize()).size();
    if (found < plan.worldSize()) {
      throw new RunFailure(
          "%s executors are needed, %s are there, and master %s gave no others in time."
              .formatted(plan.worldSize(), found, master.url()));
    }
  }

  /**
   * Waits until executors that end by themselves are gone, so that nothing is started on them. One
   * that stays is left to what comes next.
   */
  void awaitLoss(Set<String> executors) {
    long start = System.nanoTime();
    while (registered().stream().anyMatch(one -> executors.contains(one.id()))
        && !isPast(start, UNTIL_GONE)) {
      pause();
    }
  }

  /** Replacements start one by one, so the last arrival tells nothing. */
  private List<ExecutorInfo> awaitAll(int count) {
    long start = System.nanoTime();
    List<ExecutorInfo> executors = registered();
    while (executors.size() < count && !isPast(start, patience)) {
      pause();
      executors = registered();
    }
    return executors;
  }

  public ClusterSettings master() {
    return master;
  }

  private List<ExecutorInfo> await(OptionalInt wanted, Duration afterLast) {
    Arrivals arrivals = new Arrivals(afterLast);
    List<ExecutorInfo> executors = registered();
    while (!isEnough(executors, wanted) && !arrivals.areOver(executors.size())) {
      if (wanted.isEmpty() && arrivals.haveSettled(executors.size())) {
        return executors;
      }
      pause();
      executors = registered();
    }
    return executors;
  }

  private static boolean isEnough(List<ExecutorInfo> executors, OptionalInt wanted) {
    return wanted.isPresent() && executors.size() >= wanted.getAsInt();
  }

  /** When executors came, and with that how long it is worth to wait for more. */
  private final class Arrivals {
    private final Duration afterLast;
    private final long start = System.nanoTime();
    private long last = start;
    private Duration first = Duration.ZERO;
    private int seen;

    Arrivals(Duration afterLast) {
      this.afterLast = afterLast;
    }

    boolean areOver(int registered) {
      note(registered);
      if (isPast(start, patience)) {
        return true;
      }
      return master.kind() == ClusterSettings.Kind.STANDALONE
          && seen > 0
          && isPast(last, afterLast());
    }

    boolean haveSettled(int registered) {
      note(registered);
      return seen > 0 && isPast(last, SETTLED);
    }

    /** A busy machine starts executors slowly: what the first needed, the others may need. */
    private Duration afterLast() {
      return first.compareTo(afterLast) > 0 ? first : afterLast;
    }

    private void note(int registered) {
      if (registered > seen) {
        last = System.nanoTime();
        first = seen == 0 ? Duration.ofNanos(last - start) : first;
        seen = registered;
        LOG.info("{} executor(s) have registered", registered);
      }
    }
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
          "The executors have between %s and %s cores; one rank to an executor needs them alike. Set spark.executor.cores."
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

  /**
   * How many ranks there are, and the cores of an executor that each asks for so that no second one
   * fits beside it.
   */
  public record RankPlan(int worldSize, int coresPerRank) implements Serializable {}
}
