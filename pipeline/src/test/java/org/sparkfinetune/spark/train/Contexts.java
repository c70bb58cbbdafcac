package org.sparkfinetune.spark.train;

import java.util.Map;
import java.util.OptionalInt;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.sparkfinetune.spark.cluster.ExecutorSettings;

/** Spark contexts of the kinds that launching has to cope with; a JVM has one at a time. */
public final class Contexts {
  private Contexts() {}

  public static JavaSparkContext local() {
    return open(new SparkConf().setMaster("local[2]"));
  }

  /** Two executor processes on this machine, put together from the tests' class path. */
  public static JavaSparkContext twoExecutors(int coresEach) {
    return twoExecutors(coresEach, Map.of());
  }

  /** The same with more of Spark's settings. */
  public static JavaSparkContext twoExecutors(int coresEach, Map<String, String> settings) {
    SparkConf conf =
        new SparkConf()
            .setMaster("local-cluster[2,%d,1024]".formatted(coresEach))
            .set("spark.executor.memory", "512m")
            .set(
                "spark.executor.extraJavaOptions",
                "-XX:+UseSerialGC " + System.getProperty("test.jit.arguments", ""))
            .set("spark.cores.max", Integer.toString(2 * coresEach))
            .set("spark.executorEnv.SPARK_TESTING", "1")
            .set(
                "spark.executorEnv.SPARK_SCALA_VERSION",
                System.getProperty("scala.binary.version", "2.12"))
            .set("spark.executor.extraClassPath", System.getProperty("java.class.path"));
    settings.forEach(conf::set);
    ExecutorSettings.apply(conf, OptionalInt.empty());
    return open(conf);
  }

  private static JavaSparkContext open(SparkConf conf) {
    conf.setAppName("tests")
        .set("spark.ui.enabled", "false")
        .set("spark.sql.shuffle.partitions", "2");
    SparkContext context = SparkContext.getOrCreate(conf);
    if (!context.master().equals(conf.get("spark.master"))) {
      context.stop();
      context = SparkContext.getOrCreate(conf);
    }
    return new JavaSparkContext(context);
  }
}
