package org.sparkfinetune.config;

/** {@code report_to}: where metrics go besides {@code metrics.jsonl}. */
public enum Reporter implements Spelled {
  TENSORBOARD,
  MLFLOW
}
