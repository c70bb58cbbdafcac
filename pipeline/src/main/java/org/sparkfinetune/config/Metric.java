package org.sparkfinetune.config;

/** What {@code evaluate} measures. */
public enum Metric implements Spelled {
  LOSS,
  /** Equal texts, and equal ones but for spaces, case and quotes. */
  EXACT_MATCH,
  /** Equal results of both queries. */
  EXECUTION_MATCH
}
