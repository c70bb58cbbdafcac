package org.sparkfinetune.spark.prepare;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.sparkfinetune.testing.WatchedDisk;

/**
 * The local disk, where the job whose output is named {@code stops-at-N} stops for good before its
 * change N, while all other threads go on. Who watches finds a file {@code stopped-N} in the folder
 * that the system property {@value #TOLD} names.
 */
public final class StoppingFileSystem extends WatchedDisk {
  static final String TOLD = "test.told";
  static final String STOPPED = "stopped-";
  private static final Pattern OUTPUT = Pattern.compile("stops-at-(\\d+)");
  private static final Map<String, AtomicInteger> CHANGES = new ConcurrentHashMap<>();

  /** Changes of one job so far. */
  static int changes(String output) {
    return CHANGES.getOrDefault(output, new AtomicInteger()).get();
  }

  private static void change(Path path) throws IOException {
    Matcher output = OUTPUT.matcher(path.toUri().getPath());
    if (!output.find()) {
      return;
    }
    int change =
        CHANGES.computeIfAbsent(output.group(), name -> new AtomicInteger()).getAndIncrement();
    if (change == Integer.parseInt(output.group(1))) {
      Files.createFile(java.nio.file.Path.of(System.getProperty(TOLD), STOPPED + change));
      try {
        new CountDownLatch(1).await();
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
    }
  }

  @Override
  protected FSDataOutputStream create(Path path, Usual usual) throws IOException {
    // Signs of life are renewed at any time, which must not move the points.
    if (!path.getName().endsWith(".alive") || !exists(path)) {
      change(path);
    }
    return usual.create();
  }

  @Override
  public boolean mkdirs(Path path, FsPermission permission) throws IOException {
    change(path);
    return super.mkdirs(path, permission);
  }

  @Override
  public boolean rename(Path from, Path to) throws IOException {
    change(from);
    return super.rename(from, to);
  }

  @Override
  public boolean delete(Path path, boolean recursive) throws IOException {
    change(path);
    return super.delete(path, recursive);
  }
}
