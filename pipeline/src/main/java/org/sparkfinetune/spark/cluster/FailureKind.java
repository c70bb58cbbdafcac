package org.sparkfinetune.spark.cluster;

/** Why a rank or a stage failed, as far as what to do next depends on it. */
public enum FailureKind {
  /** The user has to change something. */
  USER,
  /** A mistake of this program. */
  BUG,
  /** The rank threw something else. */
  ERROR,
  /** The rank failed because another one had. */
  CONSEQUENCE,
  /** Spark told the rank to end. */
  CANCELLED,
  /** The executor's process or machine is gone. */
  LOST
}
