package org.sparkfinetune.engine.exchange;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.network.util.MapConfigProvider;
import org.apache.spark.network.util.TransportConf;

/**
 * Settings of Spark's transport for the exchange. The application's own {@code spark.*} settings
 * are not inherited: what they ask for is decided in {@link ExchangeSettings}, in one place.
 */
final class Transport {
  private static final String MODULE = "finetune";

  private Transport() {}

  static TransportConf conf(ExchangeSettings settings) {
    Map<String, String> conf = new HashMap<>();
    String io = "spark." + MODULE + ".io.";
    conf.put(io + "serverThreads", Integer.toString(settings.threads()));
    conf.put(io + "clientThreads", Integer.toString(settings.threads()));
    conf.put(io + "connectionCreationTimeout", seconds(settings.connectTimeout()));
    // A quiet connection is noticed by pings; the transport's own check stays behind them.
    conf.put(io + "connectionTimeout", seconds(settings.peerTimeout().multipliedBy(2)));
    conf.put("spark.network.auth.rpcTimeout", seconds(settings.connectTimeout()));
    boolean encrypt = settings.encryption() == ExchangeSettings.Encryption.ON;
    conf.put("spark.network.crypto.enabled", Boolean.toString(encrypt));
    conf.put("spark.network.crypto.saslFallback", "false");
    conf.put("spark.network.crypto.authEngineVersion", "2");
    return new TransportConf(MODULE, new MapConfigProvider(conf));
  }

  private static String seconds(Duration duration) {
    return Math.max(1, duration.toSeconds()) + "s";
  }
}
