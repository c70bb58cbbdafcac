package org.sparkfinetune.model.safetensors;

import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

/** Positioned reads of one open file, from any thread. */
sealed interface ByteSource extends AutoCloseable {

  /** The file as a message names it. */
  String where();

  long size();

  /** Fills {@code dst} from its position to its limit with the bytes from {@code position} on. */
  void read(long position, ByteBuffer dst);

  /** The file on this machine, if it is one. */
  Optional<java.nio.file.Path> localPath();

  @Override
  void close();

  static ByteSource open(Path path, Store store) {
    try {
      FileSystem fileSystem = store.fileSystem(path);
      Optional<java.nio.file.Path> local = store.local(path);
      return local.isPresent() ? Local.open(local.get()) : Remote.open(fileSystem, path);
    } catch (FileNotFoundException | NoSuchFileException e) {
      throw new UserError(path + " does not exist.", e);
    } catch (IOException e) {
      throw new UserError(path + " cannot be opened: " + e.getMessage(), e);
    }
  }

  private static RunFailure failed(String where, IOException e) {
    return new RunFailure("Reading " + where + " failed: " + e.getMessage(), e);
  }

  private static UserError cutOff(String where, long position) {
    return new UserError(
        where + " ends before byte " + position + ": it was cut off while open. Fetch it again.");
  }

  /** A file on a local disk: read without copies, and mappable. */
  record Local(java.nio.file.Path path, FileChannel channel, long size) implements ByteSource {
    static Local open(java.nio.file.Path path) throws IOException {
      FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
      return new Local(path, channel, channel.size());
    }

    @Override
    public String where() {
      return path.toString();
    }

    @Override
    public Optional<java.nio.file.Path> localPath() {
      return Optional.of(path);
    }

    @Override
    public void read(long position, ByteBuffer dst) {
      try {
        long at = position;
        while (dst.hasRemaining()) {
          int n = channel.read(dst, at);
          if (n < 0) {
            throw cutOff(where(), at + 1);
          }
          at += n;
        }
      } catch (IOException e) {
        throw failed(where(), e);
      }
    }

    @Override
    public void close() {
      try {
        channel.close();
      } catch (IOException e) {
        throw failed(where(), e);
      }
    }
  }

  /** A file of any other Hadoop file system; its positioned reads are thread-safe by contract. */
  record Remote(Path path, FSDataInputStream stream, long size) implements ByteSource {
    private static final int CHUNK = 1 << 20;

    static Remote open(FileSystem fileSystem, Path path) throws IOException {
      FileStatus status = fileSystem.getFileStatus(path);
      return new Remote(path, fileSystem.open(path), status.getLen());
    }

    @Override
    public String where() {
      return path.toString();
    }

    @Override
    public Optional<java.nio.file.Path> localPath() {
      return Optional.empty();
    }

    @Override
    public void read(long position, ByteBuffer dst) {
      byte[] chunk = new byte[Math.min(CHUNK, dst.remaining())];
      long at = position;
      try {
        while (dst.hasRemaining()) {
          int n = Math.min(chunk.length, dst.remaining());
          stream.readFully(at, chunk, 0, n);
          dst.put(chunk, 0, n);
          at += n;
        }
      } catch (EOFException e) {
        throw cutOff(where(), at + dst.remaining());
      } catch (IOException e) {
        throw failed(where(), e);
      }
    }

    @Override
    public void close() {
      try {
        stream.close();
      } catch (IOException e) {
        throw failed(where(), e);
      }
    }
  }
}
