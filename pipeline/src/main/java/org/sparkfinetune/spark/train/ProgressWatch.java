package org.sparkfinetune.spark.train;

import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.util.LongAccumulator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.config.TrainConfig;
import org.sparkfinetune.engine.metrics.ConsoleProgress;
import org.sparkfinetune.engine.metrics.MetricsLine;
import org.sparkfinetune.engine.metrics.MetricsTail;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.metrics.TimeLeft;
import org.sparkfinetune.engine.train.StepSchedule;
import org.sparkfinetune.progress.Progress;
import org.sparkfinetune.progress.StatusLine;
import org.sparkfinetune.spark.cluster.TaskProgress;
import org.sparkfinetune.store.Store;

/**
 * Shows on the driver's terminal, and to whoever asks, what rank 0 writes to metrics.jsonl. The
 * file is the only channel: it is there for every master and deploy mode.
 */
final class ProgressWatch implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ProgressWatch.class);

  /**
   * What an evaluated row takes of a trained one: its forward pass of the three that a step with
   * recomputation has, backward being the third.
   */
  private static final double EVALUATED_ROW = 1 / 3.0;

  private static final Duration STORE_AWAY = Duration.ofSeconds(30);

  private final StatusLine screen;
  private final MetricsTail tail;
  private final ConsoleProgress console;
  private final Consumer<List<MetricsLine>> also;
  private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();

  private Optional<Loading> loading = Optional.empty();

  /** What ranks have loaded, and where it is shown. */
  private record Loading(Progress progress, TaskProgress tasks) {
    void close() {
      tasks.close();
      progress.close();
    }
  }

  private ProgressWatch(
      StatusLine screen,
      MetricsTail tail,
      TimeLeft.Schedule schedule,
      Consumer<List<MetricsLine>> also) {
    this.screen = screen;
    this.tail = tail;
    this.console = new ConsoleProgress(screen, InstantSource.system(), schedule);
    this.also = also;
  }

  /**
   * Begins to watch. What earlier drivers recorded counts for the time left, and is not shown.
   *
   * @param also gets all lines so far whenever there are new ones
   */
  static ProgressWatch start(
      RunFolder folder, Store files, TimeLeft.Schedule schedule, Consumer<List<MetricsLine>> also) {
    ProgressWatch watch =
        new ProgressWatch(
            StatusLine.onStandardError(), new MetricsTail(folder, files), schedule, also);
    watch.attempt(watch.tail::look);
    watch.later(Duration.ofSeconds(1));
    var unused = watch.timer.scheduleWithFixedDelay(watch.console::redraw, 1, 1, TimeUnit.SECONDS);
    return watch;
  }

  /** What a run is going to do, for the time left. */
  static TimeLeft.Schedule schedule(
      TrainConfig config, StepSchedule steps, int rowsPerStep, int testRows) {
    return new TimeLeft.Schedule(
        steps.totalSteps(),
        step -> testRows > 0 && steps.evaluates(config.reporting(), step),
        step ->
            steps.isDue(
                config.checkpointing().saveStrategy(), config.checkpointing().saveSteps(), step),
        EVALUATED_ROW * testRows / rowsPerStep);
  }

  private void later(Duration pause) {
    var unused =
        timer.schedule(
            () -> {
              attempt(this::look);
              later(pause());
            },
            pause.toMillis(),
            TimeUnit.MILLISECONDS);
  }

  private synchronized Duration pause() {
    try {
      return tail.pause();
    } catch (RuntimeException e) {
      LOG.debug("the store is away", e);
      return STORE_AWAY;
    }
  }

  /**
   * An attempt begins. Until all is loaded, or its first line, what ranks have loaded is shown.
   *
   * @param layers of all ranks
   * @return what ranks add their layers to
   */
  synchronized LongAccumulator loading(JavaSparkContext spark, long layers) {
    endLoading();
    console.begin();
    LongAccumulator loaded = spark.sc().longAccumulator("layers loaded");
    Progress progress = Progress.on(screen, "load", layers, Progress.Unit.LAYERS);
    TaskProgress tasks =
        TaskProgress.listen(
            spark.sc(),
            loaded,
            done -> {
              progress.reach(done);
              if (done >= layers) {
                progress.close();
              }
            });
    loading = Optional.of(new Loading(progress, tasks));
    return loaded;
  }

  private void endLoading() {
    loading.ifPresent(Loading::close);
    loading = Optional.empty();
  }

  private synchronized void look() {
    int known = tail.look();
    if (known < tail.lines().size()) {
      endLoading();
      console.show(tail.lines(), known);
      also.accept(tail.lines());
    }
  }

  private void attempt(Runnable look) {
    try {
      look.run();
    } catch (RuntimeException e) {
      // Another look follows; the run does not depend on it.
      LOG.debug("metrics could not be read", e);
    }
  }

  /** Shows what is left. */
  @Override
  public void close() {
    timer.shutdownNow();
    attempt(this::look);
    synchronized (this) {
      endLoading();
    }
    screen.close();
  }
}
