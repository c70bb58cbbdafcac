package org.sparkfinetune.spark.train;

import org.apache.hadoop.conf.Configuration;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.RunLock;
import org.sparkfinetune.store.Store;

/** A driver that wants a run folder in which another one may be at work; ends with 2 if so. */
final class SecondDriver {
  private SecondDriver() {}

  /** The words are the run folder. */
  public static void main(String[] words) {
    try (RunLock lock =
        RunLock.acquire(RunFolder.of(words[0]).lock(), new Store(new Configuration()), () -> {})) {
      System.err.println("The second driver took " + lock);
    } catch (UserError e) {
      System.err.println("The second driver was refused: " + e.getMessage());
      System.exit(2);
    }
  }
}
