package org.sparkfinetune.store;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.sparkfinetune.errors.RunFailure;

/** Copies of what lies beside weights: tokenizer, templates, licence. */
public final class AtomicCopy {
  private static final int CHUNK = 1 << 16;

  private AtomicCopy() {}

  /**
   * Copies those of the named files that a folder has. On a local disk nothing else appears there:
   * Hadoop's own copy leaves a hidden checksum file beside each.
   */
  public static void present(Path from, Path to, List<String> names, Configuration conf) {
    for (String name : names) {
      Path file = new Path(from, name);
      try {
        FileSystem there = file.getFileSystem(conf);
        if (there.exists(file)) {
          copy(there, file, new Path(to, name), conf);
        }
      } catch (IOException e) {
        throw new RunFailure("Copying %s to %s failed: %s".formatted(file, to, e), e);
      }
    }
  }

  private static void copy(FileSystem there, Path file, Path target, Configuration conf)
      throws IOException {
    try (InputStream in = there.open(file);
        AtomicFile out = AtomicFile.create(target, conf)) {
      byte[] chunk = new byte[CHUNK];
      for (int n = in.read(chunk); n >= 0; n = in.read(chunk)) {
        out.write(ByteBuffer.wrap(chunk, 0, n));
      }
      out.commit();
    }
  }
}
