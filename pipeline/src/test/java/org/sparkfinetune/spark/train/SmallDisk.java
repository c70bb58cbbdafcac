package org.sparkfinetune.spark.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/** A file system of 64 MiB in a folder. */
final class SmallDisk implements AutoCloseable {
  private final Path folder;

  private SmallDisk(Path folder) {
    this.folder = folder;
  }

  /** Empty where this user may not mount one. */
  static Optional<SmallDisk> at(Path folder) throws IOException {
    return run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder.toString()) == 0
        ? Optional.of(new SmallDisk(folder))
        : Optional.empty();
  }

  private static int run(String... command) throws IOException {
    try {
      return new ProcessBuilder(command).inheritIO().start().waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    }
  }

  @Override
  public void close() throws IOException {
    // Lazily: an executor that is just ending may have a file open.
    run("umount", "--lazy", folder.toString());
  }
}
