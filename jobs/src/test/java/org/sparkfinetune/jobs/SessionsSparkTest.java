package org.sparkfinetune.jobs;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.sparkfinetune.errors.UserError;

class SessionsSparkTest {
  private static SparkConf conf(String master) {
    return Sessions.named("test").setMaster(master).set("spark.ui.enabled", "false");
  }

  @Test
  void settings_that_spark_refuses_are_the_users_to_correct() {
    assertThatThrownBy(
            () -> Sessions.start(conf("local[1]").set("spark.network.crypto.enabled", "true")))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith("Spark refuses its settings: ")
        .hasMessageContaining("spark.authenticate must be enabled")
        .hasMessageEndingWith("Correct --master, --conf or --properties-file of spark-submit.");
  }

  @Test
  void a_master_that_is_none_is_named() {
    assertThatThrownBy(() -> Sessions.start(conf("local[1")))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("Could not parse Master URL: 'local[1'");
  }
}
