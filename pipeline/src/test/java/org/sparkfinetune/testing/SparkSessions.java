package org.sparkfinetune.testing;

import org.apache.spark.sql.SparkSession;

/** The one Spark session of a test JVM: starting one takes longer than most tests. */
public final class SparkSessions {
  private SparkSessions() {}

  /** {@code local[2]}; ends with the JVM. Tests take sessions of their own from it for settings. */
  public static SparkSession shared() {
    return SparkSession.builder()
        .master("local[2]")
        .appName("tests")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.executor.heartbeatInterval", "1s")
        .getOrCreate();
  }
}
