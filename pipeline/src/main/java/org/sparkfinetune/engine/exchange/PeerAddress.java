package org.sparkfinetune.engine.exchange;

import java.io.Serializable;

/** Where a rank's exchange listens. */
public record PeerAddress(int rank, String host, int port) implements Serializable {
  /** For messages: {@code rank 1 (worker-3:40123)}. */
  String name() {
    return "rank %s (%s:%s)".formatted(rank, host, port);
  }
}
