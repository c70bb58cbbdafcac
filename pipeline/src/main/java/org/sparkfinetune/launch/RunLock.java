package org.sparkfinetune.launch;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.lease.Heartbeat;
import org.sparkfinetune.lease.Owner;

/**
 * One driver in a run folder: a file whose owner rewrites it every few seconds. A lock that has not
 * been touched for a minute, or whose process on this host is gone, belongs to the dead and is
 * taken over.
 */
final class RunLock implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RunLock.class);
  private static final Duration HEARTBEAT = Duration.ofSeconds(10);
  private static final Duration DEAD_AFTER = Duration.ofSeconds(60);

  private final Path file;
  private final Configuration hadoop;
  private final Owner owner = Owner.ofThisProcess();
  private final Runnable lost;
  private final Heartbeat heartbeat;

  private RunLock(Path file, Configuration hadoop, Runnable lost) throws IOException {
    this.file = file;
    this.hadoop = hadoop;
    this.lost = lost;
    if (!create()) {
      takeOver();
    }
    this.heartbeat = Heartbeat.start("run-lock", HEARTBEAT, this::touch);
  }

  /**
   * Takes the lock.
   *
   * @param lost called when somebody else has taken it over while this process was asleep
   * @throws UserError if a living driver holds it
   */
  static RunLock acquire(Path file, Configuration hadoop, Runnable lost) {
    try {
      return new RunLock(file, hadoop, lost);
    } catch (IOException e) {
      throw new RunFailure(
          "%s could not be written: %s; check that the store is there and lets this user write"
              .formatted(file, e.getMessage()),
          e);
    }
  }

  private boolean create() throws IOException {
    try {
      owner.create(files(), file);
      return true;
    } catch (FileAlreadyExistsException e) {
      return false;
    } catch (IOException e) {
      // The local file system has no type for it.
      if (files().exists(file)) {
        return false;
      }
      throw e;
    }
  }

  private void takeOver() throws IOException {
    String holder = Owner.in(files(), file).map(Owner::text).orElse("just starting");
    Optional<String> death = Owner.death(files(), file, DEAD_AFTER);
    if (death.isEmpty()) {
      throw new UserError(
          ("Another driver is at work in this output_dir: %s (see %s). Wait for its end, stop it,"
                  + " or choose another output_dir. If it is dead, its lock can be taken %s s after"
                  + " its last sign of life.")
              .formatted(holder, file, DEAD_AFTER.toSeconds()));
    }
    // Only one of several who see the same dead lock can rename it.
    Path aside = file.suffix("." + UUID.randomUUID());
    if (files().rename(file, aside)) {
      files().delete(aside, false);
      LOG.warn("The lock of a dead driver was taken over: {}", death.get());
    }
    if (!create()) {
      throw new UserError(
          "Another driver took %s at the same moment. Only one can run here.".formatted(file));
    }
  }

  private void touch() {
    try {
      Optional<Owner> holder = Owner.in(files(), file);
      if (holder.isPresent() && !holder.get().equals(owner)) {
        LOG.error("This run's lock {} now belongs to {}", file, holder.get().text());
        heartbeat.stop();
        lost.run();
        return;
      }
      owner.renew(files(), file);
    } catch (IOException e) {
      LOG.warn("The run's lock {} could not be renewed: {}", file, e.getMessage());
    }
  }

  private FileSystem files() throws IOException {
    FileSystem files = file.getFileSystem(hadoop);
    return files instanceof LocalFileSystem local ? local.getRawFileSystem() : files;
  }

  /** Waits for a renewal: one that is cut off leaves an empty lock, which nobody owns. */
  @Override
  public void close() {
    heartbeat.close();
    try {
      if (Owner.in(files(), file).filter(owner::equals).isPresent()) {
        files().delete(file, false);
        // A run that was refused leaves no folder.
        if (files().listStatus(file.getParent()).length == 0) {
          files().delete(file.getParent(), false);
        }
      }
    } catch (IOException e) {
      LOG.warn("The run's lock {} could not be removed: {}", file, e.getMessage());
    }
  }
}
