package org.sparkfinetune.spark.cluster;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.BooleanSupplier;
import org.sparkfinetune.engine.exchange.ProcessGroup;

/**
 * What a rank knows of its place.
 *
 * @param host name by which Spark knows the executor
 * @param attempt starts of the stage before this one
 * @param cores of the executor, all of them this rank's
 * @param exchange to the other ranks; closed by the stage
 * @param scratch local folder of this rank, deleted afterwards
 * @param gpuAddress the executor's first GPU as Spark's discovery names it, if it has one
 * @param progress where the rank is; part of every failure's message
 * @param cancelled whether Spark wants the task to end
 */
public record RankContext(
    int rank,
    int worldSize,
    String host,
    int attempt,
    int cores,
    ProcessGroup exchange,
    Path scratch,
    Optional<String> gpuAddress,
    RankProgress progress,
    BooleanSupplier cancelled) {

  /** What a rank is doing at the moment, kept for the message should it fail. */
  public static final class RankProgress {
    /** Phase and step together, so that a reader never sees a mixture. */
    record Point(String phase, OptionalLong step) {
      String text() {
        return step.isPresent() ? "%s of step %s".formatted(phase, step.getAsLong()) : phase;
      }
    }

    private volatile Point point = new Point("rendezvous", OptionalLong.empty());

    /** Something outside the steps begins: loading, the final save. */
    public void enter(String phase) {
      point = new Point(phase, OptionalLong.empty());
    }

    /** A part of a step begins. */
    public void enter(String phase, long step) {
      point = new Point(phase, OptionalLong.of(step));
    }

    public Point point() {
      return point;
    }
  }
}
