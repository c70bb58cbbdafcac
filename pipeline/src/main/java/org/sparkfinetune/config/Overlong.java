package org.sparkfinetune.config;

/** {@code overlong}: what becomes of a sample that is longer than a row. */
public enum Overlong implements Spelled {
  /** Left out and counted. */
  DROP,
  /** Cut at the row's length. */
  TRUNCATE,
  /** Continued in further rows. */
  SPLIT,
  /** An error that names the sample. */
  ERROR
}
