package org.sparkfinetune.store;

import java.util.Optional;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** Paths of Hadoop as those of {@code java.nio}. */
public final class LocalPaths {
  private LocalPaths() {}

  /** The path for {@code java.nio}, if the file system is this machine's own. */
  public static Optional<java.nio.file.Path> of(FileSystem fileSystem, Path path) {
    return "file".equals(fileSystem.getUri().getScheme())
        ? Optional.of(java.nio.file.Path.of(fileSystem.makeQualified(path).toUri().getPath()))
        : Optional.empty();
  }
}
