package org.sparkfinetune.config;

/** {@code formats}: what prepare writes. */
public enum OutputFormat implements Spelled {
  PARQUET,
  /** One object a line, the reference's bytes. */
  JSON
}
