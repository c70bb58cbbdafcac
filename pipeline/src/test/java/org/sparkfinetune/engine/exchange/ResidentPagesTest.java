package org.sparkfinetune.engine.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.exchange.Shard.FileRange;

class ResidentPagesTest {
  private static final int BYTES = 64 << 20;
  private static final long MOST = BYTES / 4 * 3;

  @TempDir private Path folder;

  @Test
  void a_view_that_is_given_back_leaves_memory_and_can_be_read_again() throws IOException {
    BufferPool buffers = new BufferPool(0);
    MappedShard shard = MappedShard.open(Shard.file(file("a")));
    long before = residentBytes();
    ByteBuffer view = shard.read(0, BYTES, buffers);
    assertThat(view).isEqualTo(content());
    assertThat(residentBytes() - before).isGreaterThan(MOST);

    buffers.recycle(view);

    assertThat(residentBytes() - before).isLessThan(BYTES - MOST);
    assertThat(view).isEqualTo(content());
  }

  @Test
  void of_bytes_that_had_to_be_copied_the_files_leave_memory() throws IOException {
    FileRange first = new FileRange(file("a"), 0, BYTES / 2);
    FileRange second = new FileRange(file("b"), BYTES / 2, BYTES / 2);
    MappedShard shard = MappedShard.open(new Shard(List.of(first, second)));
    long before = residentBytes();

    assertThat(shard.read(0, BYTES, new BufferPool(0))).isEqualTo(content());

    assertThat(residentBytes() - before).isLessThan(BYTES - MOST);
  }

  private Path file(String name) throws IOException {
    return Files.write(folder.resolve(name), content().array());
  }

  private static ByteBuffer content() {
    byte[] bytes = new byte[BYTES];
    new Random(1).nextBytes(bytes);
    return ByteBuffer.wrap(bytes);
  }

  /** Of files that this process maps. */
  private static long residentBytes() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("RssFile:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
        .sum();
  }
}
