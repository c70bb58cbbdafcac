package org.sparkfinetune.launch;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;

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
  private final String owner;
  private final Runnable lost;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          work -> {
            Thread thread = new Thread(work, "run-lock");
            thread.setDaemon(true);
            return thread;
          });

  private RunLock(Path file, Configuration hadoop, String owner, Runnable lost) {
    this.file = file;
    this.hadoop = hadoop;
    this.owner = owner;
    this.lost = lost;
  }

  /**
   * Takes the lock.
   *
   * @param lost called when somebody else has taken it over while this process was asleep
   * @throws UserError if a living driver holds it
   */
  static RunLock acquire(Path file, Configuration hadoop, Runnable lost) {
    String owner =
        "process %d on %s, %s"
            .formatted(ProcessHandle.current().pid(), hostName(), UUID.randomUUID());
    RunLock lock = new RunLock(file, hadoop, owner, lost);
    try {
      if (!lock.create()) {
        lock.takeOver();
      }
    } catch (IOException e) {
      throw new RunFailure(
          "%s could not be written: %s; check that the store is there and lets this user write"
              .formatted(file, e.getMessage()),
          e);
    }
    var unused =
        lock.timer.scheduleWithFixedDelay(
            lock::touch, HEARTBEAT.toSeconds(), HEARTBEAT.toSeconds(), TimeUnit.SECONDS);
    return lock;
  }

  private boolean create() throws IOException {
    try (FSDataOutputStream out = files().create(file, false)) {
      out.write(owner.getBytes(StandardCharsets.UTF_8));
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
    Optional<String> holder = read();
    if (isAlive(holder.orElse(""))) {
      throw new UserError(
          ("Another driver is at work in this output_dir: %s (see %s). Wait for its end, stop it, or"
                  + " choose another output_dir. If it is dead, its lock can be taken %d s after its"
                  + " last sign of life.")
              .formatted(holder.orElse("just starting"), file, DEAD_AFTER.toSeconds()));
    }
    // Only one of several who see the same dead lock can rename it.
    Path aside = file.suffix("." + UUID.randomUUID());
    if (files().rename(file, aside)) {
      files().delete(aside, false);
      LOG.warn("The lock of a dead driver was taken over: {}", holder.orElse("unknown"));
    }
    if (!create()) {
      throw new UserError(
          "Another driver took %s at the same moment. Only one can run here.".formatted(file));
    }
  }

  private boolean isAlive(String holder) throws IOException {
    long age;
    try {
      age = System.currentTimeMillis() - files().getFileStatus(file).getModificationTime();
    } catch (FileNotFoundException e) {
      return false;
    }
    String[] words = holder.split("[ ,]+");
    boolean here = words.length >= 4 && words[3].equals(hostName());
    boolean gone =
        here
            && words[1].matches("\\d{1,18}")
            && ProcessHandle.of(Long.parseLong(words[1])).isEmpty();
    return age < DEAD_AFTER.toMillis() && !gone;
  }

  private synchronized void touch() {
    if (timer.isShutdown()) {
      return;
    }
    try {
      Optional<String> holder = read();
      if (holder.isPresent() && !holder.get().equals(owner)) {
        LOG.error("This run's lock {} now belongs to {}", file, holder.get());
        timer.shutdown();
        lost.run();
        return;
      }
      try (FSDataOutputStream out = files().create(file, true)) {
        out.write(owner.getBytes(StandardCharsets.UTF_8));
      }
    } catch (IOException e) {
      LOG.warn("The run's lock {} could not be renewed: {}", file, e.getMessage());
    }
  }

  private Optional<String> read() throws IOException {
    try (FSDataInputStream in = files().open(file)) {
      String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      return text.isEmpty() ? Optional.empty() : Optional.of(text);
    } catch (FileNotFoundException e) {
      return Optional.empty();
    }
  }

  private FileSystem files() throws IOException {
    FileSystem files = file.getFileSystem(hadoop);
    return files instanceof LocalFileSystem local ? local.getRawFileSystem() : files;
  }

  private static String hostName() {
    try {
      return InetAddress.getLocalHost().getHostName().replaceAll("[ ,]", "-");
    } catch (IOException e) {
      return "localhost";
    }
  }

  /** Waits for a renewal: one that is cut off leaves an empty lock, which nobody owns. */
  @Override
  public synchronized void close() {
    timer.shutdown();
    try {
      if (read().filter(owner::equals).isPresent()) {
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
