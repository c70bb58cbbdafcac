package org.sparkfinetune.spark.cluster;

import java.io.Serializable;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.ExceptionFailure;
import org.apache.spark.ExecutorLostFailure;
import org.apache.spark.SparkConf;
import org.apache.spark.TaskEndReason;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import org.apache.spark.resource.ResourceProfile;
import org.apache.spark.scheduler.AccumulableInfo;
import org.apache.spark.scheduler.SparkListenerExecutorMetricsUpdate;
import org.apache.spark.scheduler.TaskInfo;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.execution.QueryExecution;
import org.apache.spark.status.api.v1.ExecutorSummary;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.errors.UserError;
import scala.Option;
import scala.Tuple2;
import scala.Tuple4;
import scala.collection.Iterator;
import scala.collection.JavaConverters;
import scala.collection.Seq;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;
import scala.runtime.AbstractFunction1;

/**
 * The only class that knows Scala. Spark has no Java API for barrier stages, executor cores, the
 * exceptions of tasks and the sizes of tables; what is used here has the same signatures on Scala
 * 2.12 and 2.13, or is called by name.
 */
public final class ScalaBridge {
  private static final String ADDED = "what tasks add up";
  private static final String PLAN = "the plan of a query";

  private ScalaBridge() {}

  /** Runs on an executor, once for each barrier task. */
  interface BarrierFunction extends Serializable {
    byte[] apply(BarrierTaskContext task);
  }

  /** An executor as the driver sees it. */
  record ExecutorInfo(String id, String hostPort, int cores) {}

  /** Runs {@code function} in {@code tasks} barrier tasks; results in the order of partitions. */
  static List<byte[]> runBarrier(
      JavaSparkContext spark,
      int tasks,
      Optional<ResourceProfile> profile,
      BarrierFunction function) {
    List<Integer> ranks = IntStream.range(0, tasks).boxed().toList();
    RDD<Integer> input = spark.parallelize(new ArrayList<>(ranks), tasks).rdd();
    if (profile.isPresent()) {
      input = input.withResources(profile.get());
    }
    ClassTag<byte[]> bytes = ClassTag$.MODULE$.apply(byte[].class);
    return input
        .barrier()
        .mapPartitions(new Partition(function), false, bytes)
        .toJavaRDD()
        .collect();
  }

  private static final class Partition
      extends AbstractFunction1<Iterator<Integer>, Iterator<byte[]>> implements Serializable {
    private static final long serialVersionUID = 1L;
    private final BarrierFunction function;

    Partition(BarrierFunction function) {
      this.function = function;
    }

    @Override
    public Iterator<byte[]> apply(Iterator<Integer> ignored) {
      byte[] result = function.apply(BarrierTaskContext.get());
      return JavaConverters.asScalaIterator(Collections.singletonList(result).iterator());
    }
  }

  /** Registered executors, without the driver of a cluster; in local mode the driver is the one. */
  public static List<ExecutorInfo> executors(JavaSparkContext spark, boolean local) {
    List<ExecutorInfo> executors = new ArrayList<>();
    Iterator<?> all = executorList(spark).iterator();
    while (all.hasNext()) {
      ExecutorSummary executor = (ExecutorSummary) all.next();
      if (executor.isActive() && executor.id().equals("driver") == local) {
        executors.add(new ExecutorInfo(executor.id(), executor.hostPort(), executor.totalCores()));
      }
    }
    return executors;
  }

  /** By name: the method returns another kind of Seq on Scala 2.13. */
  private static Seq<?> executorList(JavaSparkContext spark) {
    Object store = spark.sc().statusStore();
    try {
      return (Seq<?>) store.getClass().getMethod("executorList", boolean.class).invoke(store, true);
    } catch (ReflectiveOperationException e) {
      throw otherSpark("its executors", e);
    }
  }

  private static UserError otherSpark(String what, ReflectiveOperationException e) {
    return new UserError(
        "Spark %s does not tell %s. Use Spark 3.5 or 4."
            .formatted(org.apache.spark.package$.MODULE$.SPARK_VERSION(), what),
        e);
  }

  /** What a task threw, if it is ours and arrived whole. */
  static Optional<RankFailure> thrown(TaskEndReason reason) {
    return reason instanceof ExceptionFailure failure
        ? orEmpty(failure.exception())
            .filter(RankFailure.class::isInstance)
            .map(RankFailure.class::cast)
        : Optional.empty();
  }

  /** Spark's words on why an executor was lost. */
  static String lostBecause(ExecutorLostFailure lost) {
    return orEmpty(lost.reason()).orElse("no reason given");
  }

  /** What running tasks have added to an accumulator until a heartbeat: task's id to sum. */
  static Map<Long, Long> added(SparkListenerExecutorMetricsUpdate heartbeat, long accumulator) {
    Map<Long, Long> added = new TreeMap<>();
    Iterator<?> tasks = sequence(heartbeat, "accumUpdates", ADDED).iterator();
    while (tasks.hasNext()) {
      Tuple4<?, ?, ?, ?> task = (Tuple4<?, ?, ?, ?>) tasks.next();
      added((Seq<?>) task._4(), accumulator).ifPresent(sum -> added.put((Long) task._1(), sum));
    }
    return added;
  }

  /** What a task has added to an accumulator in all. */
  static long added(TaskInfo ended, long accumulator) {
    return added(sequence(ended, "accumulables", ADDED), accumulator).orElse(0L);
  }

  /** By name: the method returns another kind of Seq on Scala 2.13. */
  private static Seq<?> sequence(Object of, String method, String what) {
    try {
      return (Seq<?>) of.getClass().getMethod(method).invoke(of);
    } catch (ReflectiveOperationException e) {
      throw otherSpark(what, e);
    }
  }

  private static Optional<Long> added(Seq<?> accumulables, long accumulator) {
    Iterator<?> all = accumulables.iterator();
    while (all.hasNext()) {
      AccumulableInfo info = (AccumulableInfo) all.next();
      if (info.id() == accumulator) {
        return orEmpty(info.update()).map(update -> (Long) update);
      }
    }
    return Optional.empty();
  }

  /**
   * What Spark's statistics say about each table and file set that a query reads, in bytes; nothing
   * is run. By name: Spark 4 shows the plan of a query in a subclass that Spark 3.5 lacks.
   */
  public static List<BigInteger> tableBytes(Dataset<?> query) {
    try {
      Object plans = query.getClass().getMethod("queryExecution").invoke(query);
      List<BigInteger> bytes = new ArrayList<>();
      LogicalPlan plan = ((QueryExecution) plans).optimizedPlan();
      Iterator<?> tables = sequence(plan, "collectLeaves", PLAN).iterator();
      while (tables.hasNext()) {
        bytes.add(((LogicalPlan) tables.next()).stats().sizeInBytes().bigInteger());
      }
      return bytes;
    } catch (ReflectiveOperationException e) {
      throw otherSpark(PLAN, e);
    }
  }

  /** Settings that begin with {@code prefix}, keys without it. */
  static Map<String, String> settings(SparkConf conf, String prefix) {
    Map<String, String> settings = new TreeMap<>();
    for (Tuple2<String, String> setting : conf.getAllWithPrefix(prefix)) {
      settings.put(setting._1(), setting._2());
    }
    return settings;
  }

  private static <T> Optional<T> orEmpty(Option<T> option) {
    @Nullable T value = option.isDefined() ? option.get() : null;
    return Optional.ofNullable(value);
  }
}
