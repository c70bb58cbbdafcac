package org.sparkfinetune.store;

import java.io.IOException;
import org.apache.hadoop.fs.FSError;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Watch.Pace;

/**
 * One driver in a run folder: a {@link Lease} that is renewed as long as the driver lives. A lock
 * of the dead is taken over: at once if they died on this kernel, else after a minute without a
 * sign of life.
 */
public final class RunLock implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RunLock.class);

  private final Path folder;
  private final FileSystem files;
  private final Lease lease;
  private final Runnable lost;
  private final Heartbeat heartbeat;

  private RunLock(Path folder, FileSystem files, Lease lease, Pace pace, Runnable lost) {
    this.folder = folder;
    this.files = files;
    this.lease = lease;
    this.lost = lost;
    this.heartbeat = Heartbeat.start("the run's lock " + folder, pace.beat(), this::renew);
  }

  /**
   * Takes the lock.
   *
   * @param folder where drivers claim it
   * @param lost called when another driver has taken it over while this process was asleep
   * @throws UserError if a living driver holds it
   */
  public static RunLock acquire(Path folder, Store store, Runnable lost) {
    return acquire(folder, store, Pace.USUAL, lost);
  }

  public static RunLock acquire(Path folder, Store store, Pace pace, Runnable lost) {
    try {
      // Hadoop's checksum files would be claims, too.
      FileSystem files = store.fileSystem(folder);
      checkIsNoFile(files, folder);
      return new RunLock(folder, files, Lease.take(files, folder, pace), pace, lost);
    } catch (Lease.HeldException e) {
      throw new UserError(
          ("Another driver is at work in this output_dir: %s (see %s). Wait for its end, stop it,"
                  + " or choose another output_dir. If it dies, its lock can be taken a minute later.")
              .formatted(e.getMessage(), folder),
          e);
    } catch (IOException | FSError e) {
      throw new RunFailure(
          "%s could not be written: %s; check that the store is there and lets this user write"
              .formatted(folder, e.getMessage()),
          e);
    }
  }

  private static void checkIsNoFile(FileSystem files, Path folder) throws IOException {
    if (files.exists(folder) && files.getFileStatus(folder).isFile()) {
      throw new UserError(
          ("%s is a file, where drivers that claim this output_dir have a folder. If no driver is"
                  + " at work here, delete it.")
              .formatted(folder));
    }
  }

  private void renew() throws IOException {
    if (!lease.renew()) {
      LOG.error(
          "This run's lock {} was taken over by another driver, which got no sign of life of this"
              + " one; this one ends.",
          folder);
      heartbeat.stop();
      lost.run();
    }
  }

  /** Waits for a renewal that is under way: it could bring a claim back. */
  @Override
  public void close() {
    heartbeat.close();
    try {
      lease.release();
      // A run that was refused leaves no folder.
      if (files.listStatus(folder.getParent()).length == 0) {
        Lease.deleteIfEmpty(files, folder.getParent());
      }
    } catch (IOException | FSError e) {
      LOG.warn("The run's lock {} could not be removed: {}", folder, e.getMessage());
    }
  }
}
