package org.sparkfinetune.prepare;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.lease.Heartbeat;
import org.sparkfinetune.lease.Owner;

/**
 * A file that its writer renews while it lives: what a dead one left is told from what a living one
 * is making by it, on any store and from any host.
 */
final class SignOfLife implements AutoCloseable {
  static final Duration DEAD_AFTER = Duration.ofSeconds(90);
  private static final Duration BEAT = Duration.ofSeconds(20);
  private static final Logger LOG = LoggerFactory.getLogger(SignOfLife.class);

  private final FileSystem store;
  private final Path file;
  private final Heartbeat heartbeat;

  private SignOfLife(FileSystem store, Path file, Heartbeat heartbeat) {
    this.store = store;
    this.file = file;
    this.heartbeat = heartbeat;
  }

  /** Writes the file and renews it until closed. */
  static SignOfLife begin(FileSystem store, Path file) throws IOException {
    Owner owner = Owner.ofThisProcess();
    owner.renew(store, file);
    return new SignOfLife(
        store, file, Heartbeat.start("sign-of-life", BEAT, () -> renew(owner, store, file)));
  }

  private static void renew(Owner owner, FileSystem store, Path file) {
    try {
      owner.renew(store, file);
    } catch (IOException e) {
      LOG.warn("The sign of life {} could not be renewed: {}", file, Failures.oneLine(e));
    }
  }

  /** Who writes a file. */
  static String owner(FileSystem store, Path file) throws IOException {
    return Owner.in(store, file).map(Owner::text).orElse("");
  }

  /** Why the writer of a file is held to be dead; empty while it lives. */
  static Optional<String> death(FileSystem store, Path file) throws IOException {
    return Owner.death(store, file, DEAD_AFTER);
  }

  /** To be called last: from then on nothing says that somebody is at work. */
  @Override
  public void close() throws IOException {
    heartbeat.close();
    store.delete(file, false);
  }
}
