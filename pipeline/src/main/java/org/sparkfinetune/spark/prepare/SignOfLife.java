package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.store.Heartbeat;
import org.sparkfinetune.store.Owner;

/**
 * A file that its writer renews while it lives: what a dead one left is told from what a living one
 * is making by it, on any store and from any host.
 */
final class SignOfLife implements AutoCloseable {
  private final FileSystem store;
  private final Path file;
  private final Heartbeat heartbeat;

  private SignOfLife(FileSystem store, Path file, Heartbeat heartbeat) {
    this.store = store;
    this.file = file;
    this.heartbeat = heartbeat;
  }

  /** Writes the file and renews it until closed. */
  static SignOfLife begin(FileSystem store, Path file, Duration beat) throws IOException {
    Owner owner = Owner.ofThisProcess();
    AtomicLong beats = new AtomicLong();
    Heartbeat.Beat renew = () -> owner.sign(store, file, "beat " + beats.incrementAndGet());
    renew.run();
    return new SignOfLife(store, file, Heartbeat.start("the sign of life " + file, beat, renew));
  }

  /** To be called last: from then on nothing says that somebody is at work. */
  @Override
  public void close() throws IOException {
    heartbeat.close();
    store.delete(file, false);
  }
}
