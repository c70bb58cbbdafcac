package org.sparkfinetune.engine.exchange;

import java.io.Serializable;
import java.security.SecureRandom;
import java.util.HexFormat;
import org.apache.spark.network.sasl.SecretKeyHolder;

/**
 * What the ranks of one run know and nobody else: made by the driver for each attempt, carried to
 * the ranks inside the serialised task, never written anywhere. A class and not a record so that no
 * generated method shows it.
 */
public final class Secret implements Serializable {
  private static final long serialVersionUID = 1L;
  static final String USER = "sparkfinetune";

  private final String hex;

  private Secret(String hex) {
    this.hex = hex;
  }

  /** A new one of 256 random bits. */
  public static Secret random() {
    byte[] bytes = new byte[32];
    new SecureRandom().nextBytes(bytes);
    return new Secret(HexFormat.of().formatHex(bytes));
  }

  SecretKeyHolder keyHolder() {
    return new SecretKeyHolder() {
      @Override
      public String getSaslUser(String appId) {
        return USER;
      }

      @Override
      public String getSecretKey(String appId) {
        return hex;
      }
    };
  }

  @Override
  public String toString() {
    return "Secret(not shown)";
  }
}
