package org.sparkfinetune.spark.cluster;

import java.io.Serializable;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.resource.ResourceProfile;
import org.apache.spark.resource.ResourceProfileBuilder;
import org.apache.spark.resource.TaskResourceRequests;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.Parallelism.ExchangeMode;
import org.sparkfinetune.engine.exchange.ExchangeSettings;
import org.sparkfinetune.engine.exchange.Secret;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.spark.cluster.RankPlanner.RankPlan;
import org.sparkfinetune.spark.cluster.RootCause.FailureKind;

/**
 * Runs a task on every rank at once: a barrier stage whose tasks ask for all cores (and all GPUs)
 * of an executor, so that Spark puts one into each, whatever the user's {@code
 * spark.executor.cores} and {@code spark.task.cpus} are.
 */
public final class BarrierStage {
  private static final Logger LOG = LoggerFactory.getLogger(BarrierStage.class);
  private static final String RESOURCE = "spark.executor.resource.";
  private static final String AMOUNT = ".amount";

  /** Spark's words for a kill on its web page and for what others cancel. */
  private static final Pattern CANCELLED = Pattern.compile("\\bJob \\d+ cancelled");

  /** A rank that does not come to the end of its step is ended by Spark's reaper before. */
  private static final Duration LAST_STEP = Duration.ofMinutes(10);

  private final JavaSparkContext spark;
  private final RankPlanner planner;
  private final RankPlan plan;
  private final ExchangeSettings settings;

  public BarrierStage(
      JavaSparkContext spark, RankPlanner planner, RankPlan plan, ExchangeSettings settings) {
    this.spark = spark;
    this.planner = planner;
    this.plan = plan;
    this.settings = settings;
  }

  /**
   * One attempt. Blocks until all ranks have ended; when the calling thread is interrupted they are
   * cancelled.
   *
   * @param attempt starts of this stage before
   * @return what the ranks returned, in rank order
   * @throws UserError if a rank failed by a mistake of the user
   * @throws StageCancelled if the stage was cancelled in Spark, after all ranks have ended
   * @throws AttemptFailure otherwise, with the first cause
   */
  public List<byte[]> run(RankTask task, int attempt) {
    planner.awaitExecutors(plan);
    String group = "finetune-%s-%s".formatted(attempt, UUID.randomUUID());
    StageWatch watch = new StageWatch(group);
    spark.sc().addSparkListener(watch);
    // Ranks that Spark tells to end look for it between steps; an interrupt would tear a step.
    spark
        .sc()
        .setJobGroup(group, "%s, attempt %s".formatted(task.description(), attempt + 1), false);
    try {
      return ScalaBridge.runBarrier(spark, plan.worldSize(), profile(), runner(task, attempt));
    } catch (Exception e) {
      // Spark's Scala code throws checked exceptions without declaring them.
      throw failure(e, group, watch);
    } finally {
      spark.clearJobGroup();
      spark.sc().removeSparkListener(watch);
    }
  }

  /**
   * A stage that is not tried again, as {@link #run}.
   *
   * @throws RunFailure with the first cause, if it failed
   */
  public List<byte[]> runOnce(RankTask task) {
    try {
      return run(task, 0);
    } catch (AttemptFailure e) {
      throw new RunFailure(e.first().text(), e);
    }
  }

  private RankRunner runner(RankTask task, int attempt) {
    return new RankRunner(task, plan, settings, Secret.random(), attempt);
  }

  private RuntimeException failure(Exception thrown, String group, StageWatch watch) {
    if (thrown instanceof InterruptedException || Thread.currentThread().isInterrupted()) {
      spark.cancelJobGroup(group);
      Thread.currentThread().interrupt();
      return new RunFailure("The run was cancelled.", thrown);
    }
    if (spark.sc().isStopped()) {
      return new RunFailure(
          "Spark was stopped under the run: its application was killed, or its master is gone. The"
              + " same command goes on from the last checkpoint.",
          thrown);
    }
    if (CANCELLED.matcher(String.valueOf(thrown.getMessage())).find()) {
      watch.awaitEnds(plan.worldSize(), LAST_STEP);
      return new StageCancelled(thrown);
    }
    RootCause first = watch.diagnose(String.valueOf(thrown.getMessage()));
    LOG.debug("Spark's own report", thrown);
    planner.awaitLoss(watch.endingExecutors());
    return first.kind() == FailureKind.USER
        ? new UserError(first.what())
        : new AttemptFailure(first, thrown);
  }

  /** None in local mode, where Spark supports none and one task is all there is. */
  private Optional<ResourceProfile> profile() {
    if (planner.master().isLocal()) {
      return Optional.empty();
    }
    TaskResourceRequests requests = new TaskResourceRequests().cpus(plan.coresPerRank());
    for (Map.Entry<String, String> setting :
        ScalaBridge.settings(spark.getConf(), RESOURCE).entrySet()) {
      String key = setting.getKey();
      if (key.endsWith(AMOUNT)) {
        String name = key.substring(0, key.length() - AMOUNT.length());
        requests = requests.resource(name, Double.parseDouble(setting.getValue()));
      }
    }
    return Optional.of(new ResourceProfileBuilder().require(requests).build());
  }

  /** One start of the stage failed for a reason that the next start may not meet. */
  public static final class AttemptFailure extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient RootCause first;

    public AttemptFailure(RootCause first, Throwable cause) {
      super(first.text(), cause);
      this.first = first;
    }

    public RootCause first() {
      return first;
    }
  }

  /** Somebody ended the stage in Spark, on its web page or by its API; it is not started again. */
  public static final class StageCancelled extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public StageCancelled(Throwable cause) {
      super("The stage was cancelled in Spark.", cause);
    }
  }

  /** What each rank does; travels to the executors, so it holds only what can be serialised. */
  @FunctionalInterface
  public interface RankTask extends Serializable {
    /**
     * Returning is success: the group is closed once all ranks have returned. Throwing aborts the
     * group, and the driver learns rank, host, phase and message.
     *
     * @return what the driver gets from this rank; small
     */
    byte[] run(RankContext context) throws Exception;

    /** What Spark's own pages call it. */
    default String description() {
      return "ranks";
    }
  }

  /** How the ranks of a run talk to each other: as the cluster does, and as the user asked. */
  public static final class RunExchange {
    private RunExchange() {}

    public static ExchangeSettings settings(SparkConf conf, ExchangeMode mode) {
      boolean encrypt =
          conf.getBoolean("spark.network.crypto.enabled", false)
              || conf.getBoolean("spark.authenticate", false);
      // As long as Spark waits for an executor, at most: whoever is silent for half of that is
      // dead.
      long timeout = conf.getTimeAsMs("spark.network.timeout", "120s");
      ExchangeSettings defaults = ExchangeSettings.defaults();
      return defaults
          .withTimeouts(
              defaults.connectTimeout(), Duration.ofMillis(timeout / 2), defaults.waitTimeout())
          .with(
              mode == ExchangeMode.NETWORK
                  ? ExchangeSettings.Mapping.NETWORK
                  : ExchangeSettings.Mapping.AUTO)
          .with(encrypt ? ExchangeSettings.Encryption.ON : ExchangeSettings.Encryption.OFF);
    }
  }
}
