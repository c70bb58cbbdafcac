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
  private long end;

  private UnnamedFile(FileChannel channel) {
    this.channel = channel;
  }

  static UnnamedFile create() {
    try {
      Path file = Files.createTempFile("spark-finetune-weights-", ".bin");
      FileChannel channel =
          FileChannel.open(
              file,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE,
              StandardOpenOption.DELETE_ON_CLOSE);
      Files.deleteIfExists(file);
      return new UnnamedFile(channel);
    } catch (IOException e) {
      throw failed(e);
    }
  }

  /** Zeroed memory, at most 2 GiB. */
  synchronized ByteBuffer allocate(long bytes) {
    try {
      ByteBuffer buffer = channel.map(MapMode.READ_WRITE, end, bytes);
      end += (bytes + 63) & ~63L;
      return buffer;
    } catch (IOException e) {
      throw failed(e);
    }
  }

  private static RunFailure failed(IOException e) {
    return new RunFailure(
        "Weights could not be kept in %s: %s. Is there space? -Djava.io.tmpdir names another folder."
            .formatted(System.getProperty("java.io.tmpdir"), e.getMessage()),
        e);
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw failed(e);
    }
  }
}
