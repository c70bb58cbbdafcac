package org.sparkfinetune.engine.metrics;

import java.util.Locale;

/** What a rank's time goes into; together all of a run. */
public enum Phase {
  LOAD,
  TOKENIZE,
  FORWARD,
  BACKWARD,
  /** Waiting for other ranks' bytes; what was overlapped with computing is not in it. */
  EXCHANGE,
  OPTIMIZER,
  CHECKPOINT,
  IDLE;

  /** The key in {@code seconds_by_phase}. */
  public String text() {
    return name().toLowerCase(Locale.ROOT);
  }
}
