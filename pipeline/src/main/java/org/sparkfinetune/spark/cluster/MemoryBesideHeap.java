package org.sparkfinetune.spark.cluster;

import org.apache.spark.SparkConf;
import org.sparkfinetune.plan.MachineMemory;
import org.sparkfinetune.spark.cluster.ClusterSettings.Kind;

/** What an executor's JVM may take outside its heap. */
public final class MemoryBesideHeap {
  /** What a JVM itself takes: Spark's default for small executors. */
  private static final long OF_JVM = 384L << 20;

  /** Of what a machine has left: other executors there see the same. */
  private static final int SHARE = 4;

  private MemoryBesideHeap() {}

  /** Bytes for what is not the JVM's own; 0 where nobody knows. */
  public static long room(SparkConf conf) {
    return ClusterSettings.of(conf).kind() == Kind.QUEUED
        ? overhead(conf) - OF_JVM
        : MachineMemory.available().orElse(0) / SHARE;
  }

  /** What YARN and Kubernetes grant beside the heap; they end an executor that takes more. */
  public static long overhead(SparkConf conf) {
    long heap = conf.getSizeAsBytes("spark.executor.memory", "1g");
    double factor = conf.getDouble("spark.executor.memoryOverheadFactor", 0.1);
    return conf.contains("spark.executor.memoryOverhead")
        ? conf.getSizeAsMb("spark.executor.memoryOverhead") << 20
        : Math.max(OF_JVM, (long) (factor * heap));
  }
}
