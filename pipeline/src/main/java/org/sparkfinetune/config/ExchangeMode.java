package org.sparkfinetune.config;

/** {@code exchange}: how a rank reads the shards of the others. */
public enum ExchangeMode implements Spelled {
  /** Maps a peer's file where it can, fetches over the network where not. */
  AUTO,
  /** Always over the network. */
  NETWORK
}
