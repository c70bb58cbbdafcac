package org.sparkfinetune.spark.cluster;

/** Somebody ended the stage in Spark, on its web page or by its API; it is not started again. */
public final class StageCancelled extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public StageCancelled(Throwable cause) {
    super("The stage was cancelled in Spark.", cause);
  }
}
