package org.sparkfinetune.launch;

import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.metrics.ConsoleProgress;
import org.sparkfinetune.metrics.MetricsLine;
import org.sparkfinetune.metrics.MetricsLog;
import org.sparkfinetune.metrics.RunFiles;
import org.sparkfinetune.metrics.RunFolder;

/**
 * Shows on the driver's terminal, and to whoever asks, what rank 0 writes to metrics.jsonl. The
 * file is the only channel: it is there for every master and deploy mode.
 */
final class ProgressWatch implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ProgressWatch.class);

  private final RunFolder folder;
  private final RunFiles files;
  private final ConsoleProgress console;
  private final Consumer<List<MetricsLine>> also;
  private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
  private int shown;

  private ProgressWatch(
      RunFolder folder, RunFiles files, ConsoleProgress console, Consumer<List<MetricsLine>> also) {
    this.also = also;
    this.folder = folder;
    this.files = files;
    this.console = console;
  }

  /**
   * Begins to watch.
   *
   * @param also gets all lines so far whenever there are new ones
   */
  static ProgressWatch start(
      RunFolder folder, RunFiles files, ConsoleProgress console, Consumer<List<MetricsLine>> also) {
    ProgressWatch watch = new ProgressWatch(folder, files, console, also);
    var unused = watch.timer.scheduleWithFixedDelay(watch::look, 1, 1, TimeUnit.SECONDS);
    return watch;
  }

  private synchronized void look() {
    try {
      List<MetricsLine> lines = MetricsLog.read(folder, files);
      if (lines.size() < shown) {
        shown = 0;
      }
      if (shown < lines.size()) {
        lines.subList(shown, lines.size()).forEach(this::show);
        also.accept(lines);
      }
      shown = lines.size();
    } catch (RuntimeException e) {
      // Another look follows; the run does not depend on it.
      LOG.debug("metrics could not be read", e);
    }
  }

  private void show(MetricsLine line) {
    if (line instanceof MetricsLine.Train train) {
      console.train(train);
    } else if (line instanceof MetricsLine.Eval evaluation) {
      console.evaluation(evaluation);
    }
  }

  /** Shows what is left. */
  @Override
  public void close() {
    timer.shutdownNow();
    look();
  }
}
