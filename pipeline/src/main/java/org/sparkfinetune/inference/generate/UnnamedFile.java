package org.sparkfinetune.inference.generate;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.sparkfinetune.errors.RunFailure;

/**
 * Memory for weights outside the heap: a mapped file that has no name any more, so that it goes
 * with the process however that ends, and that the system may page out.
 */
final class UnnamedFile implements AutoCloseable {
  private final FileChannel channel;
  private final Path folder;
  private long end;

  private UnnamedFile(FileChannel channel, Path folder) {
    this.channel = channel;
    this.folder = folder;
  }

  /** In the JVM's folder for such files. */
  static UnnamedFile create() {
    return create(Path.of(System.getProperty("java.io.tmpdir")));
  }

  static UnnamedFile create(Path folder) {
    try {
      Path file = Files.createTempFile(folder, "spark-finetune-weights-", ".bin");
      FileChannel channel =
          FileChannel.open(
              file,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE,
              StandardOpenOption.DELETE_ON_CLOSE);
      Files.deleteIfExists(file);
      return new UnnamedFile(channel, folder);
    } catch (IOException e) {
      throw failed(folder, e);
    }
  }

  /** Zeroed memory, at most 2 GiB. */
  synchronized ByteBuffer allocate(long bytes) {
    try {
      ByteBuffer buffer = channel.map(MapMode.READ_WRITE, end, bytes);
      end += (bytes + 63) & ~63L;
      return buffer;
    } catch (IOException e) {
      throw failed(folder, e);
    }
  }

  private static RunFailure failed(Path folder, IOException e) {
    return new RunFailure(
        "Weights could not be kept in %s: %s. Is there space? -Djava.io.tmpdir names another folder, of executors spark.local.dir."
            .formatted(folder, e.getMessage()),
        e);
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw failed(folder, e);
    }
  }
}
