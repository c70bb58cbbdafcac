package org.sparkfinetune.spark.cluster;

import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;

/**
 * What the settings say about executors, before any has started.
 *
 * @param url of the master
 * @param kind of cluster manager
 * @param coresPerExecutor if they are known beforehand
 * @param executors at most so many will register, if that is known beforehand
 * @param workerMegabytes of a local cluster's workers, which an executor has to fit in
 */
public record ClusterSettings(
    String url,
    Kind kind,
    OptionalInt coresPerExecutor,
    OptionalInt executors,
    OptionalInt workerMegabytes) {
  private static final Pattern LOCAL_CLUSTER =
      Pattern.compile("local-cluster\\[\\s*(\\d+)\\s*,\\s*(\\d+)\\s*,\\s*(\\d+)\\s*]");

  public enum Kind {
    /** Driver and executor are one JVM. */
    LOCAL,
    /** The master and its workers live in the driver, so the settings say what will come. */
    LOCAL_CLUSTER,
    /** Executors come within seconds or not at all. */
    STANDALONE,
    /** Executors are granted when the cluster has room: YARN, Kubernetes. */
    QUEUED
  }

  public static ClusterSettings of(SparkConf conf) {
    String url = conf.get("spark.master", "local[*]");
    Matcher localCluster = LOCAL_CLUSTER.matcher(url);
    if (localCluster.matches()) {
      return localCluster(conf, url, localCluster);
    }
    if (url.startsWith("local")) {
      return new ClusterSettings(
          url, Kind.LOCAL, OptionalInt.empty(), OptionalInt.of(1), OptionalInt.empty());
    }
    OptionalInt cores = setting(conf, "spark.executor.cores");
    if (url.startsWith("spark:")) {
      return new ClusterSettings(
          url, Kind.STANDALONE, cores, byCores(conf, cores), OptionalInt.empty());
    }
    return new ClusterSettings(
        url,
        Kind.QUEUED,
        OptionalInt.of(cores.orElse(1)),
        OptionalInt.of(conf.getInt("spark.executor.instances", 2)),
        OptionalInt.empty());
  }

  private static ClusterSettings localCluster(SparkConf conf, String url, Matcher numbers) {
    int workers = number(numbers, 1);
    int workerCores = number(numbers, 2);
    int cores = setting(conf, "spark.executor.cores").orElse(workerCores);
    int fit = workers * (workerCores / cores);
    int allowed = byCores(conf, OptionalInt.of(cores)).orElse(fit);
    return new ClusterSettings(
        url,
        Kind.LOCAL_CLUSTER,
        OptionalInt.of(cores),
        OptionalInt.of(Math.min(fit, allowed)),
        OptionalInt.of(number(numbers, 3)));
  }

  private static OptionalInt byCores(SparkConf conf, OptionalInt cores) {
    OptionalInt max = setting(conf, "spark.cores.max");
    return max.isPresent() && cores.isPresent()
        ? OptionalInt.of(max.getAsInt() / cores.getAsInt())
        : OptionalInt.empty();
  }

  private static OptionalInt setting(SparkConf conf, String key) {
    return conf.contains(key) ? OptionalInt.of(conf.getInt(key, 0)) : OptionalInt.empty();
  }

  private static int number(Matcher matcher, int group) {
    return Integer.parseInt(matcher.group(group));
  }

  boolean isLocal() {
    return kind == Kind.LOCAL;
  }
}
