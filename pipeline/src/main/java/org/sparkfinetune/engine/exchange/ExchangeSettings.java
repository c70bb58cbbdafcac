package org.sparkfinetune.engine.exchange;

import java.io.Serializable;
import java.time.Duration;
import org.sparkfinetune.errors.Bug;

/**
 * How an exchange behaves.
 *
 * @param mapping whether files of peers on the same host are mapped
 * @param encryption whether bytes on the network are encrypted; who may connect is always checked
 * @param connectTimeout for connecting and authenticating
 * @param peerTimeout a peer that answers nothing for so long is dead, whatever it is busy with
 * @param waitTimeout the longest wait for a peer that is alive but not there yet
 * @param threads of the network, for each direction
 */
public record ExchangeSettings(
    Mapping mapping,
    Encryption encryption,
    Duration connectTimeout,
    Duration peerTimeout,
    Duration waitTimeout,
    int threads)
    implements Serializable {

  /** Whether a peer's file may be mapped. */
  public enum Mapping {
    AUTO,
    /** Never: all bytes of peers come over the network. */
    NETWORK
  }

  /** Whether bytes on the network are encrypted (AES, Spark's own protocol). */
  public enum Encryption {
    OFF,
    ON
  }

  public ExchangeSettings {
    requirePositive("connectTimeout", connectTimeout);
    requirePositive("peerTimeout", peerTimeout);
    requirePositive("waitTimeout", waitTimeout);
    if (threads < 1) {
      throw new Bug("An exchange needs at least one thread, not " + threads + ".");
    }
  }

  /** AUTO, not encrypted, 30 s to connect, 60 s without a sign of life, waits of up to an hour. */
  public static ExchangeSettings defaults() {
    return new ExchangeSettings(
        Mapping.AUTO,
        Encryption.OFF,
        Duration.ofSeconds(30),
        Duration.ofSeconds(60),
        Duration.ofHours(1),
        2);
  }

  public ExchangeSettings with(Mapping value) {
    return new ExchangeSettings(
        value, encryption, connectTimeout, peerTimeout, waitTimeout, threads);
  }

  public ExchangeSettings with(Encryption value) {
    return new ExchangeSettings(mapping, value, connectTimeout, peerTimeout, waitTimeout, threads);
  }

  public ExchangeSettings withTimeouts(Duration connect, Duration peer, Duration wait) {
    return new ExchangeSettings(mapping, encryption, connect, peer, wait, threads);
  }

  private static void requirePositive(String name, Duration value) {
    if (value.isNegative() || value.isZero() || value.compareTo(Duration.ofDays(7)) > 0) {
      throw new Bug("%s is %s; it must be above zero and at most 7 days.".formatted(name, value));
    }
  }
}
