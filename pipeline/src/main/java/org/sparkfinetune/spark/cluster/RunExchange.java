package org.sparkfinetune.spark.cluster;

import java.time.Duration;
import org.apache.spark.SparkConf;
import org.sparkfinetune.config.ExchangeMode;
import org.sparkfinetune.engine.exchange.ExchangeSettings;

/** How the ranks of a run talk to each other: as the cluster does, and as the user asked. */
public final class RunExchange {
  private RunExchange() {}

  public static ExchangeSettings settings(SparkConf conf, ExchangeMode mode) {
    boolean encrypt =
        conf.getBoolean("spark.network.crypto.enabled", false)
            || conf.getBoolean("spark.authenticate", false);
    // As long as Spark waits for an executor, at most: whoever is silent for half of that is dead.
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
