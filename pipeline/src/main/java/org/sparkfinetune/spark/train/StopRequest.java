package org.sparkfinetune.spark.train;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadFactory;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.store.Heartbeat;
import org.sparkfinetune.store.Store;

/**
 * The driver's wish that a run should save and end, as a file in the run folder: it reaches rank 0
 * under every master and deploy mode, and anyone may put it there.
 */
final class StopRequest {
  private static final Logger LOG = LoggerFactory.getLogger(StopRequest.class);
  private static final Duration INTERVAL = Duration.ofSeconds(1);
  private static final ThreadFactory LOOKERS = Heartbeat.daemons("stop-request");

  private final RunFolder folder;
  private final Store files;

  StopRequest(RunFolder folder, Store files) {
    this.folder = folder;
    this.files = files;
  }

  void make(String reason) {
    files.replace(folder.stopRequest(), reason.getBytes(StandardCharsets.UTF_8));
  }

  void clear() {
    files.delete(folder.stopRequest());
  }

  /** What ends a run shall not be hidden by what its store says; the next run clears as well. */
  void clearIfPossible() {
    try {
      clear();
    } catch (RunFailure e) {
      LOG.warn("{}", e.getMessage());
    }
  }

  boolean isMade() {
    return files.read(folder.stopRequest()).isPresent();
  }

  /**
   * Looks at most once a second, however often it is asked, and on a thread of its own: the answer
   * is that of the last look that ended. A step neither waits for a store that is away nor fails
   * with it. For one thread.
   */
  BooleanSupplier polled() {
    return new BooleanSupplier() {
      private long nextLook = System.nanoTime();
      private CompletableFuture<Boolean> look = CompletableFuture.completedFuture(false);

      @Override
      public boolean getAsBoolean() {
        if (!look.isDone()) {
          return false;
        }
        boolean made = look.join();
        if (!made && System.nanoTime() - nextLook >= 0) {
          look =
              CompletableFuture.supplyAsync(
                  this::isMadeAsFarAsKnown, run -> LOOKERS.newThread(run).start());
          nextLook = System.nanoTime() + INTERVAL.toNanos();
        }
        return made;
      }

      private boolean isMadeAsFarAsKnown() {
        try {
          return isMade();
        } catch (RuntimeException e) {
          LOG.debug("Whether the run is to stop is not known now", e);
          return false;
        }
      }
    };
  }
}
