package org.sparkfinetune.store;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSError;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.UnsupportedFileSystemException;
import org.sparkfinetune.errors.RunFailure;

/** A file that appears under its name as a whole or not at all: written aside, then renamed. */
public sealed interface AtomicFile extends AutoCloseable {

  /** The next bytes, from the buffer's position to its limit. */
  void write(ByteBuffer bytes);

  /** Makes the file visible, in place of an older one. */
  void commit();

  /** Removes what was written, unless it was committed. */
  @Override
  void close();

  /** Opens a file of any Hadoop file system for writing; its folder is made if need be. */
  static AtomicFile create(Path target, Configuration conf) {
    // Hidden from listings that follow Hadoop's convention, and unique: two writers never share it.
    String aside = "." + target.getName() + "." + UUID.randomUUID() + ".tmp";
    try {
      FileSystem fileSystem = target.getFileSystem(conf);
      Optional<java.nio.file.Path> local = LocalPaths.of(fileSystem, target);
      return local.isPresent()
          ? Local.create(local.get(), local.get().resolveSibling(aside))
          : Remote.create(fileSystem, target, new Path(target.getParent(), aside));
    } catch (IOException e) {
      throw failed(target, e);
    }
  }

  /** {@code e} is an FSError where Hadoop's local file system could not write. */
  private static RunFailure failed(Object target, Throwable e) {
    Throwable cause = e instanceof FSError ? Objects.requireNonNull(e.getCause()) : e;
    return new RunFailure(
        "Writing %s failed: %s. Is there space, and may this user write there?"
            .formatted(target, cause),
        cause);
  }

  record Local(java.nio.file.Path target, java.nio.file.Path aside, FileChannel channel)
      implements AtomicFile {
    static Local create(java.nio.file.Path target, java.nio.file.Path aside) throws IOException {
      Files.createDirectories(target.toAbsolutePath().getParent());
      return new Local(
          target,
          aside,
          FileChannel.open(aside, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE));
    }

    @Override
    public void write(ByteBuffer bytes) {
      try {
        while (bytes.hasRemaining()) {
          channel.write(bytes);
        }
      } catch (IOException e) {
        throw failed(target, e);
      }
    }

    @Override
    public void commit() {
      try {
        // Before the rename, or a power cut could leave the name on an empty file.
        channel.force(true);
        channel.close();
        // Hadoop's checksum of an older file of this name would condemn the new one.
        Files.deleteIfExists(target.resolveSibling("." + target.getFileName() + ".crc"));
        Files.move(
            aside, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } catch (IOException e) {
        throw failed(target, e);
      }
    }

    @Override
    public void close() {
      try {
        try {
          channel.close();
        } finally {
          Files.deleteIfExists(aside);
        }
      } catch (IOException e) {
        throw failed(target, e);
      }
    }
  }

  @SuppressWarnings("ArrayRecordComponent")
  record Remote(FileSystem fileSystem, Path target, Path aside, OutputStream stream, byte[] chunk)
      implements AtomicFile {
    private static final int CHUNK = 1 << 20;

    static Remote create(FileSystem fileSystem, Path target, Path aside) throws IOException {
      return new Remote(
          fileSystem, target, aside, fileSystem.create(aside, false), new byte[CHUNK]);
    }

    @Override
    public void write(ByteBuffer bytes) {
      try {
        while (bytes.hasRemaining()) {
          int n = Math.min(chunk.length, bytes.remaining());
          bytes.get(chunk, 0, n);
          stream.write(chunk, 0, n);
        }
      } catch (IOException | FSError e) {
        throw failed(target, e);
      }
    }

    @Override
    public void commit() {
      try {
        stream.close();
        rename();
      } catch (IOException | FSError e) {
        throw failed(target, e);
      }
    }

    private void rename() throws IOException {
      try {
        FileContext.getFileContext(fileSystem.getUri(), fileSystem.getConf())
            .rename(aside, target, Options.Rename.OVERWRITE);
      } catch (UnsupportedFileSystemException e) {
        // Only FileContext replaces in one move; a store without one gets the nearest thing.
        fileSystem.delete(target, false);
        if (!fileSystem.rename(aside, target)) {
          throw new IOException("renaming " + aside + " to " + target + " was refused", e);
        }
      }
    }

    @Override
    public void close() {
      try {
        try {
          stream.close();
        } finally {
          fileSystem.delete(aside, false);
        }
      } catch (IOException | FSError e) {
        throw failed(target, e);
      }
    }
  }
}
