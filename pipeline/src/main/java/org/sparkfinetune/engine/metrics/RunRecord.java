package org.sparkfinetune.engine.metrics;

import org.apache.hadoop.fs.Path;
import org.sparkfinetune.store.RunFiles;

/** What a run records step by step, {@code metrics.jsonl} and TensorBoard's events, as a whole. */
public final class RunRecord {
  private final RunFolder folder;
  private final RunFiles files;

  public RunRecord(RunFolder folder, RunFiles files) {
    this.folder = folder;
    this.files = files;
  }

  public boolean isThere() {
    return files.exists(folder.metrics());
  }

  /** Copies it in place of what {@code other} has recorded. */
  public void copyTo(RunFolder other) {
    files.read(folder.metrics()).ifPresent(lines -> files.replace(other.metrics(), lines));
    new EventFiles(files, other.tensorboard()).deleteAll();
    for (Path events : files.list(folder.tensorboard())) {
      files
          .read(events)
          .ifPresent(
              bytes -> files.replace(new Path(other.tensorboard(), events.getName()), bytes));
    }
  }
}
