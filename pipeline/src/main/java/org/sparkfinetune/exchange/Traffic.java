package org.sparkfinetune.exchange;

/** The kinds of bytes that {@link ExchangeStats} counts. */
public enum Traffic {
  /** Frozen bytes handed out as views of mapped files, own shard included: nothing moved. */
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
