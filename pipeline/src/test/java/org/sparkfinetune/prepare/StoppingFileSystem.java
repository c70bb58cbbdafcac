package org.sparkfinetune.prepare;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;

/**
 * The local disk, which at its nth change tells the process that watches and waits to be killed,
 * while all other threads go on.
 */
public final class StoppingFileSystem extends RawLocalFileSystem {
  static final String HERE = "at the change";
  private static final AtomicInteger LEFT =
      new AtomicInteger(Integer.getInteger("stop.at.change", Integer.MAX_VALUE));
  private static final AtomicInteger CHANGES = new AtomicInteger();

  static int changes() {
    return CHANGES.get();
  }

  private static void change() throws IOException {
    CHANGES.incrementAndGet();
    if (LEFT.getAndDecrement() == 0) {
      System.out.println(HERE);
      try {
        new CountDownLatch(1).await();
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
    }
  }

  @Override
  public FSDataOutputStream create(
      Path path,
      FsPermission permission,
      boolean overwrite,
      int buffer,
      short replication,
      long block,
      Progressable progress)
      throws IOException {
    change();
    return super.create(path, permission, overwrite, buffer, replication, block, progress);
  }

  @Override
  public boolean mkdirs(Path path, FsPermission permission) throws IOException {
    change();
    return super.mkdirs(path, permission);
  }

  @Override
  public boolean rename(Path from, Path to) throws IOException {
    change();
    return super.rename(from, to);
  }

  @Override
  public boolean delete(Path path, boolean recursive) throws IOException {
    change();
    return super.delete(path, recursive);
  }
}
