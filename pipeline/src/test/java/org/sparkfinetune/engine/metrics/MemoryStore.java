package org.sparkfinetune.engine.metrics;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.URI;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;

/** An object store in memory: no append, and a file is there, whole, when it has been closed. */
public final class MemoryStore extends FileSystem {

  private final Map<String, byte[]> objects = new TreeMap<>();
  private URI uri = URI.create("memory:///");
  private final Map<String, Integer> versions = new TreeMap<>();
  private int writes;
  private int requests;
  private long readBytes;

  /** A path in a new store, and the configuration that finds it. */
  static Path create(Configuration hadoop) {
    hadoop.setClass("fs.memory.impl", MemoryStore.class, FileSystem.class);
    return new Path("memory://" + UUID.randomUUID() + "/run");
  }

  int writes() {
    return writes;
  }

  /** As a store counts them that has to be asked for a status before it is read. */
  int requests() {
    return requests;
  }

  long readBytes() {
    return readBytes;
  }

  @Override
  public void initialize(URI name, Configuration conf) throws IOException {
    super.initialize(name, conf);
    uri = URI.create(name.getScheme() + "://" + name.getAuthority());
  }

  @Override
  public URI getUri() {
    return uri;
  }

  @Override
  public FSDataOutputStream create(
      Path path,
      FsPermission permission,
      boolean overwrite,
      int bufferSize,
      short replication,
      long blockSize,
      Progressable progress)
      throws IOException {
    return new FSDataOutputStream(
        new ByteArrayOutputStream() {
          @Override
          public void close() {
            objects.put(path.toUri().getPath(), toByteArray());
            writes++;
            versions.put(path.toUri().getPath(), writes);
          }
        },
        statistics);
  }

  @Override
  public FSDataInputStream open(Path path, int bufferSize) throws IOException {
    requests += 2;
    byte[] object = objects.get(path.toUri().getPath());
    if (object == null) {
      throw new FileNotFoundException(path.toString());
    }
    return new FSDataInputStream(new ObjectStream(object));
  }

  @Override
  public FileStatus[] listStatus(Path path) {
    String prefix = path.toUri().getPath() + "/";
    return objects.entrySet().stream()
        .filter(object -> object.getKey().startsWith(prefix))
        .map(
            object ->
                new FileStatus(
                    object.getValue().length, false, 1, 1, 0, new Path(uri + object.getKey())))
        .toArray(FileStatus[]::new);
  }

  @Override
  public boolean delete(Path path, boolean recursive) {
    return objects.remove(path.toUri().getPath()) != null;
  }

  @Override
  public FSDataOutputStream append(Path path, int bufferSize, Progressable progress) {
    throw new UnsupportedOperationException("append");
  }

  @Override
  public boolean rename(Path from, Path to) {
    throw new UnsupportedOperationException("rename");
  }

  @Override
  public void setWorkingDirectory(Path path) {}

  @Override
  public Path getWorkingDirectory() {
    return new Path(uri + "/");
  }

  @Override
  public boolean mkdirs(Path path, FsPermission permission) {
    return true;
  }

  @Override
  public FileStatus getFileStatus(Path path) throws IOException {
    requests++;
    byte[] object = objects.get(path.toUri().getPath());
    if (object == null) {
      throw new FileNotFoundException(path.toString());
    }
    long version = versions.getOrDefault(path.toUri().getPath(), 0);
    return new FileStatus(object.length, false, 1, 1, version, path);
  }

  private final class ObjectStream extends FSInputStream {
    private final byte[] bytes;
    private int position;

    ObjectStream(byte[] bytes) {
      this.bytes = bytes;
    }

    @Override
    public int read() {
      return position < bytes.length ? bytes[position++] & 0xff : -1;
    }

    @Override
    public int read(byte[] into, int from, int count) {
      if (position == bytes.length) {
        return -1;
      }
      int read = Math.min(count, bytes.length - position);
      System.arraycopy(bytes, position, into, from, read);
      position += read;
      readBytes += read;
      return read;
    }

    @Override
    public void seek(long to) throws IOException {
      if (to > bytes.length) {
        throw new EOFException();
      }
      position = (int) to;
    }

    @Override
    public long getPos() {
      return position;
    }

    @Override
    public boolean seekToNewSource(long target) {
      return false;
    }
  }
}
