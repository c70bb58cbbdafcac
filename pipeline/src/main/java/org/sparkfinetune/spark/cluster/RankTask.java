package org.sparkfinetune.spark.cluster;

import java.io.Serializable;

/** What each rank does; travels to the executors, so it holds only what can be serialised. */
@FunctionalInterface
public interface RankTask extends Serializable {
  /**
   * Returning is success: the group is closed once all ranks have returned. Throwing aborts the
   * group, and the driver learns rank, host, phase and message.
   *
   * @return what the driver gets from this rank; small
   */
  byte[] run(RankContext context) throws Exception;

  /** What Spark's own pages call it. */
  default String description() {
    return "ranks";
  }
}
