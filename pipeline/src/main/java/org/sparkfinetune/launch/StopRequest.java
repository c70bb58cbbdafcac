package org.sparkfinetune.launch;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.metrics.RunFiles;
import org.sparkfinetune.metrics.RunFolder;

/**
 * The driver's wish that a run should save and end, as a file in the run folder: it reaches rank 0
 * under every master and deploy mode, and anyone may put it there.
 */
final class StopRequest {
  private static final Logger LOG = LoggerFactory.getLogger(StopRequest.class);
  private static final Duration INTERVAL = Duration.ofSeconds(1);

  private final RunFolder folder;
  private final RunFiles files;

  StopRequest(RunFolder folder, RunFiles files) {
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

  /** Looks at most once a second, however often it is asked. For one thread. */
  BooleanSupplier polled() {
    return new BooleanSupplier() {
      private long nextLook = System.nanoTime();
      private boolean made;

      @Override
      public boolean getAsBoolean() {
        if (!made && System.nanoTime() - nextLook >= 0) {
          made = isMade();
          nextLook = System.nanoTime() + INTERVAL.toNanos();
        }
        return made;
      }
    };
  }
}
