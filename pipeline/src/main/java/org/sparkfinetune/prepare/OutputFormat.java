package org.sparkfinetune.prepare;

/** What prepare writes besides its report. */
public enum OutputFormat {
  /** {@code train/} and {@code test/}. */
  PARQUET,
  /** {@code train_dataset.json} and {@code test_dataset.json}. */
  JSON
}
