package org.sparkfinetune.spark.generate;

import java.io.Serializable;
import java.util.Optional;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.util.LongAccumulator;
import org.jspecify.annotations.Nullable;
import org.sparkfinetune.progress.Progress;
import org.sparkfinetune.progress.StatusLine;
import org.sparkfinetune.spark.cluster.ScalaBridge;
import org.sparkfinetune.spark.cluster.TaskProgress;

/**
 * Shows how far executors are with a model's answers: layers while they load it, rows once all of
 * them have, or one has answered.
 */
public final class AnsweringProgress implements AutoCloseable {
  private final StatusLine screen = StatusLine.onStandardError();
  private final Counts counts;
  private final long rows;
  private final long allLayers;
  private final Progress loading;
  private final TaskProgress layersOfTasks;
  private final TaskProgress rowsOfTasks;
  private String what;
  private @Nullable Progress answering;

  /** What tasks add to. */
  public record Counts(LongAccumulator layersLoaded, LongAccumulator rowsDone)
      implements Serializable {
    private static final long serialVersionUID = 1L;

    static Counts of(JavaSparkContext spark) {
      return new Counts(
          spark.sc().longAccumulator("layers loaded"), spark.sc().longAccumulator("rows answered"));
    }
  }

  /**
   * Begins.
   *
   * @param what is done, in a word
   * @param rows of all models that are asked
   * @param layers of a model, which every executor loads
   */
  public AnsweringProgress(JavaSparkContext spark, String what, long rows, int layers) {
    this.what = what;
    this.rows = rows;
    this.counts = Counts.of(spark);
    long executors = Math.max(1, ScalaBridge.executors(spark, spark.isLocal()).size());
    this.allLayers = executors * layers;
    this.loading = Progress.on(screen, "load", allLayers, Progress.Unit.LAYERS);
    this.layersOfTasks = TaskProgress.listen(spark.sc(), counts.layersLoaded(), this::loaded);
    this.rowsOfTasks = TaskProgress.listen(spark.sc(), counts.rowsDone(), this::answered);
  }

  public Counts counts() {
    return counts;
  }

  /** Another model is asked. */
  public synchronized void enter(String next) {
    what = next;
    Optional.ofNullable(answering).ifPresent(progress -> progress.enter(next));
  }

  private synchronized void loaded(long done) {
    loading.reach(done);
    if (done >= allLayers) {
      answering();
    }
  }

  private synchronized void answered(long done) {
    if (done > 0) {
      answering().reach(done);
    }
  }

  private Progress answering() {
    Progress progress = answering;
    if (progress == null) {
      loading.close();
      progress = Progress.on(screen, what, rows, Progress.Unit.ROWS);
      answering = progress;
    }
    return progress;
  }

  @Override
  public synchronized void close() {
    layersOfTasks.close();
    rowsOfTasks.close();
    loading.close();
    Optional.ofNullable(answering).ifPresent(Progress::close);
    screen.close();
  }
}
