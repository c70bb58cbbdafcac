package org.sparkfinetune.spark.train;

import java.io.IOException;
import java.net.ConnectException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.sparkfinetune.testing.WatchedDisk;

/**
 * The local disk as {@code away:}, like an object store without appending, which refuses everything
 * while a marker file is there, and takes its time for the files of an adapter, so that a test can
 * see them being written.
 */
public final class AwayFileSystem extends WatchedDisk {
  public static final String MARKER = "finetune.test.away";
  private static final Duration SLOW = Duration.ofMillis(300);

  @Override
  public String getScheme() {
    return "away";
  }

  @Override
  public boolean hasPathCapability(Path path, String capability) throws IOException {
    return !capability.equals(CommonPathCapabilities.FS_APPEND)
        && super.hasPathCapability(path, capability);
  }

  private void ask() throws IOException {
    Configuration hadoop = getConf();
    if (Files.exists(java.nio.file.Path.of(hadoop.get(MARKER)))) {
      throw new ConnectException("Connection refused");
    }
  }

  @Override
  public FSDataInputStream open(Path path, int bufferSize) throws IOException {
    ask();
    return super.open(path, bufferSize);
  }

  @Override
  protected FSDataOutputStream create(Path path, Usual usual) throws IOException {
    ask();
    if (path.getParent().getName().equals("adapter")) {
      LockSupport.parkNanos(SLOW.toNanos());
    }
    return usual.create();
  }

  @Override
  public boolean rename(Path from, Path to) throws IOException {
    ask();
    return super.rename(from, to);
  }

  @Override
  public boolean delete(Path path, boolean recursive) throws IOException {
    ask();
    return super.delete(path, recursive);
  }

  @Override
  public FileStatus[] listStatus(Path path) throws IOException {
    ask();
    return super.listStatus(path);
  }

  @Override
  public boolean mkdirs(Path path, FsPermission permission) throws IOException {
    ask();
    return super.mkdirs(path, permission);
  }

  @Override
  public FileStatus getFileStatus(Path path) throws IOException {
    ask();
    return super.getFileStatus(path);
  }
}
