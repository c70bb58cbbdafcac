package org.sparkfinetune.spark.cluster;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.LongConsumer;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorMetricsUpdate;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.util.LongAccumulator;

/**
 * Tells how far Spark's tasks are by an accumulator to which they add what they have done. Spark
 * gives its value to the driver when a task has ended; long before, what running tasks have added
 * comes with the heartbeats of executors, every ten seconds ({@code
 * spark.executor.heartbeatInterval}).
 */
public final class TaskProgress extends SparkListener implements AutoCloseable {
  private final SparkContext spark;
  private final LongAccumulator counted;
  private final LongConsumer reached;
  private final Map<Long, Long> running = new HashMap<>();
  private final Set<Long> ended = new HashSet<>();
  private long done;

  private TaskProgress(SparkContext spark, LongAccumulator counted, LongConsumer reached) {
    this.spark = spark;
    this.counted = counted;
    this.reached = reached;
  }

  /**
   * Listens until it is closed.
   *
   * @param counted registered, with a name: Spark tells listeners nothing of others
   * @param reached is told what all tasks together have done
   */
  public static TaskProgress listen(
      SparkContext spark, LongAccumulator counted, LongConsumer reached) {
    TaskProgress listener = new TaskProgress(spark, counted, reached);
    spark.addSparkListener(listener);
    return listener;
  }

  @Override
  public synchronized void onExecutorMetricsUpdate(SparkListenerExecutorMetricsUpdate heartbeat) {
    ScalaBridge.added(heartbeat, counted.id())
        .forEach(
            (task, sum) -> {
              if (!ended.contains(task)) {
                running.put(task, sum);
              }
            });
    tell();
  }

  /** A task that failed has done nothing: another does its part again. */
  @Override
  public synchronized void onTaskEnd(SparkListenerTaskEnd end) {
    long task = end.taskInfo().taskId();
    running.remove(task);
    if (ended.add(task) && end.taskInfo().successful()) {
      done += ScalaBridge.added(end.taskInfo(), counted.id());
    }
    tell();
  }

  private void tell() {
    reached.accept(done + running.values().stream().mapToLong(Long::longValue).sum());
  }

  @Override
  public void close() {
    spark.removeSparkListener(this);
  }
}
