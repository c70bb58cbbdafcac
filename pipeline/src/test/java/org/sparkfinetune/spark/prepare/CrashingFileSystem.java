package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;
import org.sparkfinetune.spark.dataset.DatasetManifest;

/**
 * A local disk under a scheme of its own that stops changing anything after so many changes, as if
 * the process had been killed there: what would be cleaned up afterwards is not cleaned up.
 */
public final class CrashingFileSystem extends FileSystem {
  static final List<String> CHANGES = Collections.synchronizedList(new ArrayList<>());
  private static final AtomicInteger LEFT = new AtomicInteger(Integer.MAX_VALUE);
  private final RawLocalFileSystem disk = new RawLocalFileSystem();
  private String scheme = "";

  static void crashAfter(int changes) {
    CHANGES.clear();
    LEFT.set(changes);
  }

  static void neverCrash() {
    crashAfter(Integer.MAX_VALUE);
  }

  private static void change(String what, Path path) throws IOException {
    if (LEFT.getAndDecrement() <= 0) {
      throw new IOException("killed before: " + what + " " + path.getName());
    }
    CHANGES.add(what + " " + path.getName());
  }

  @Override
  public void initialize(URI uri, Configuration conf) throws IOException {
    super.initialize(uri, conf);
    disk.initialize(URI.create("file:///"), conf);
    scheme = uri.getScheme();
  }

  @Override
  public URI getUri() {
    return URI.create(scheme + ":///");
  }

  private static Path local(Path path) {
    return new Path("file:" + path.toUri().getPath());
  }

  private FileStatus mine(FileStatus status) {
    Path path = new Path(scheme + ":" + status.getPath().toUri().getPath());
    return new FileStatus(status.getLen(), status.isDirectory(), 1, 1 << 20, 0, path);
  }

  private static boolean isSign(Path path) {
    return path.getName().endsWith(".alive") || path.getName().equals(DatasetManifest.AT_WORK);
  }

  @Override
  public FSDataInputStream open(Path path, int buffer) throws IOException {
    return disk.open(local(path), buffer);
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
    // Signs of life are renewed at any time, which must not move the points.
    if (!isSign(path) || !exists(path)) {
      change("create", path);
    }
    return disk.create(local(path), overwrite, buffer, replication, block, progress);
  }

  /** Files of one scheme are renamed into place, as on HDFS; objects of the other are not. */
  @Override
  public boolean hasPathCapability(Path path, String capability) {
    return scheme.equals("crash") && capability.equals(CommonPathCapabilities.FS_APPEND);
  }

  @Override
  public FSDataOutputStream append(Path path, int buffer, Progressable progress) {
    throw new UnsupportedOperationException("append");
  }

  @Override
  public boolean rename(Path from, Path to) throws IOException {
    change("rename", to);
    return disk.rename(local(from), local(to));
  }

  @Override
  public boolean delete(Path path, boolean recursive) throws IOException {
    change("delete", path);
    return disk.delete(local(path), recursive);
  }

  @Override
  public boolean mkdirs(Path path, FsPermission permission) throws IOException {
    change("mkdirs", path);
    return disk.mkdirs(local(path));
  }

  @Override
  public FileStatus[] listStatus(Path path) throws IOException {
    FileStatus[] statuses = disk.listStatus(local(path));
    for (int i = 0; i < statuses.length; i++) {
      statuses[i] = mine(statuses[i]);
    }
    return statuses;
  }

  @Override
  public FileStatus getFileStatus(Path path) throws IOException {
    return mine(disk.getFileStatus(local(path)));
  }

  @Override
  public void setWorkingDirectory(Path path) {}

  @Override
  public Path getWorkingDirectory() {
    return new Path(scheme + ":///");
  }
}
