package org.sparkfinetune.store;

import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;

/**
 * A file or folder that others write, such as Spark or Parquet, and that then takes its name. Its
 * path is hidden from listings that follow Hadoop's convention, and unique: two writers never share
 * it. Closed without {@link #publish}, it leaves nothing behind; what a killed process leaves,
 * {@link Store#sweep} deletes.
 *
 * <p>An object store renames a folder by copying, which can stop half-way. Readers there have to
 * look for a manifest that is written last.
 */
public final class Staging implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Staging.class);

  private final Store store;
  private final Path target;
  private final Path path;
  private boolean published;

  /** Made by {@link Store#stage}. */
  Staging(Store store, Path target) {
    this.store = store;
    this.target = target;
    this.path = Store.aside(target);
  }

  /** Where to write. */
  public Path path() {
    return path;
  }

  /** Gives it its name, in place of what has it. */
  public void publish() {
    store.rename(path, target);
    published = true;
  }

  /** What failed before is the news, so a failure here is only logged. */
  @Override
  public void close() {
    if (!published) {
      try {
        store.delete(path);
      } catch (RunFailure e) {
        LOG.warn("{} is left behind: {}", path, e.getMessage());
      }
    }
  }
}
