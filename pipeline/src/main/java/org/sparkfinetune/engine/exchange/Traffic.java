package org.sparkfinetune.engine.exchange;

/** The kinds of bytes that {@link ExchangeStats} counts. */
public enum Traffic {
  /** Frozen bytes of the own shard. */
  OWN,
  /** Frozen bytes of peers handed out as views of mapped files: nothing moved. */
  MAPPED,
  /** Frozen bytes fetched over the network. */
  FROZEN,
  /** Published values fetched from peers. */
  PUBLISHED,
  /** Contributions sent to peers, those of sums included. */
  PUSHED,
  /** Frozen bytes and published values that peers fetched from this rank. */
  SERVED
}
