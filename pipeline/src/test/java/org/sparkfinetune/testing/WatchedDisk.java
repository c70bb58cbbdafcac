package org.sparkfinetune.testing;

import java.io.IOException;
import java.net.URI;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;
import org.jspecify.annotations.Nullable;

/**
 * The local disk under any scheme, for tests that look at or change what happens when a file is
 * made. Hadoop has two methods for that; here they are one.
 */
public abstract class WatchedDisk extends RawLocalFileSystem {
  private @Nullable URI root;

  /** What Hadoop does. */
  protected interface Usual {
    FSDataOutputStream create() throws IOException;
  }

  protected abstract FSDataOutputStream create(Path path, Usual usual) throws IOException;

  @Override
  public void initialize(URI uri, Configuration hadoop) throws IOException {
    super.initialize(uri, hadoop);
    root = URI.create(uri.getScheme() + ":///");
  }

  @Override
  public URI getUri() {
    // Asked while Hadoop's constructor runs.
    return root == null ? super.getUri() : root;
  }

  @Override
  public final FSDataOutputStream create(
      Path path,
      boolean overwrite,
      int buffer,
      short replication,
      long block,
      Progressable progress)
      throws IOException {
    return create(path, () -> super.create(path, overwrite, buffer, replication, block, progress));
  }

  @Override
  public final FSDataOutputStream create(
      Path path,
      FsPermission permission,
      boolean overwrite,
      int buffer,
      short replication,
      long block,
      Progressable progress)
      throws IOException {
    return create(
        path,
        () -> super.create(path, permission, overwrite, buffer, replication, block, progress));
  }
}
