package org.sparkfinetune.engine.fsdp;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sparkfinetune.errors.RunFailure;

/**
 * The use of a shard file by a rank, which the file's other users on this host see: while a lease
 * is there, nobody else deletes the file. Leases are locks of the operating system on a file beside
 * the shard, {@code .lock}, so the kernel gives them back when a process dies.
 *
 * <p>The first byte is locked by the one process that fills the shard, any other byte by each rank
 * that uses it, and all of these together by a process that deletes it.
 *
 * <p>On POSIX systems closing any channel of a file gives back all locks that the process has on
 * it. So a JVM has one channel for each lock file, which stays open. It is kept in the system
 * properties, because this class may be loaded more than once in an executor.
 */
final class ShardLease implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ShardLease.class);
  private static final String CHANNELS = "org.sparkfinetune.shard-lock-channels";
  private static final String LOCK = ".lock";
  private static final int FILL = 0;
  private static final int USE = 1;
  private static final int LAST = Integer.MAX_VALUE - 1;

  /** Deleting a shard takes a moment, in which its lock is not to be had. */
  private static final int ATTEMPTS = 100;

  private static final long PAUSE_MILLIS = 20;

  private final FileChannel channel;
  private FileLock use;
  private @Nullable FileLock fill;

  private ShardLease(FileChannel channel, FileLock use) {
    this.channel = channel;
    this.use = use;
  }

  /** From now on the file is not deleted by others; empty where there are no locks. */
  static Optional<ShardLease> take(Path shard) {
    try {
      Files.createDirectories(shard.toAbsolutePath().getParent());
      FileChannel channel = channel(lockFile(shard));
      return Optional.of(new ShardLease(channel, use(channel)));
    } catch (IOException e) {
      LOG.info("{} is not used, because it cannot be locked: {}", shard, e.toString());
      return Optional.empty();
    }
  }

  /** Whether this rank, and no other process, fills the file until {@link #filled}. */
  boolean fill() {
    try {
      fill = channel.tryLock(FILL, 1, false);
      return fill != null;
    } catch (IOException | OverlappingFileLockException | NonWritableChannelException e) {
      return false;
    }
  }

  /** Others may fill the file. */
  void filled() {
    if (fill != null) {
      release(fill);
      fill = null;
    }
  }

  private static void release(FileLock lock) {
    try {
      lock.release();
    } catch (IOException e) {
      LOG.debug("A lock was given back before", e);
    }
  }

  /** What to do with files. */
  interface Deletion {
    void run() throws IOException;
  }

  /**
   * Deletes the file that this rank fills, unless others use it, too.
   *
   * @return whether it was deleted
   */
  boolean delete(Deletion deletion) throws IOException {
    release(use);
    try {
      return whileUnused(channel, deletion);
    } finally {
      use = use(channel);
    }
  }

  /**
   * Deletes a file of which this rank has no lease, unless somebody uses or fills it.
   *
   * @return whether it was deleted
   */
  static boolean deleteUnused(Path shard, Deletion deletion) throws IOException {
    Path file = lockFile(shard);
    synchronized (channels()) {
      if (channels().containsKey(key(file))) {
        return whileUnfilled(channel(file), deletion);
      }
      try (FileChannel channel = open(file)) {
        return whileUnfilled(channel, deletion);
      }
    }
  }

  private static boolean whileUnfilled(FileChannel channel, Deletion deletion) throws IOException {
    try (FileLock fill = channel.tryLock(FILL, 1, false)) {
      return fill != null && whileUnused(channel, deletion);
    } catch (OverlappingFileLockException | NonWritableChannelException e) {
      return false;
    }
  }

  private static boolean whileUnused(FileChannel channel, Deletion deletion) throws IOException {
    try (FileLock all = channel.tryLock(USE, LAST, false)) {
      if (all == null) {
        return false;
      }
      deletion.run();
      return true;
    } catch (OverlappingFileLockException | NonWritableChannelException e) {
      return false;
    }
  }

  /** A byte of this rank's own: within a JVM locks must not overlap. */
  private static FileLock use(FileChannel channel) throws IOException {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        int at = ThreadLocalRandom.current().nextInt(USE, LAST);
        FileLock lock = channel.tryLock(at, 1, true);
        if (lock != null) {
          return lock;
        }
      } catch (OverlappingFileLockException e) {
        LOG.debug("Another rank in this process deletes the shard", e);
      }
      pause();
    }
    throw new IOException("another process keeps all of its lock file locked");
  }

  private static void pause() {
    try {
      TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new RunFailure("Interrupted while waiting for the lock of a shard file.", e);
    }
  }

  private static Path lockFile(Path shard) {
    return shard.resolveSibling(shard.getFileName() + LOCK);
  }

  private static FileChannel channel(Path file) throws IOException {
    synchronized (channels()) {
      if (!Files.exists(file)) {
        open(file).close();
      }
      String key = key(file);
      FileChannel known = channels().get(key);
      if (known != null && known.isOpen()) {
        return known;
      }
      FileChannel channel = open(file);
      channels().put(key, channel);
      return channel;
    }
  }

  /** For reading only where it may not be written: that does for using a shard. */
  private static FileChannel open(Path file) throws IOException {
    try {
      return FileChannel.open(
          file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    } catch (IOException e) {
      if (Files.isReadable(file)) {
        return FileChannel.open(file, StandardOpenOption.READ);
      }
      throw e;
    }
  }

  /** Path and inode: a lock file that was deleted and made again is another one. */
  private static String key(Path file) throws IOException {
    return Files.exists(file)
        ? file.toRealPath() + " " + Files.getAttribute(file, "basic:fileKey")
        : "";
  }

  @SuppressWarnings("unchecked")
  private static Map<String, FileChannel> channels() {
    return (Map<String, FileChannel>)
        System.getProperties().computeIfAbsent(CHANNELS, key -> new ConcurrentHashMap<>());
  }

  @Override
  public void close() {
    filled();
    release(use);
  }
}
