package org.sparkfinetune.store;

import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.Path;

/** A file that others read while it grows. For one thread. */
public sealed interface GrowingFile extends AutoCloseable {

  void append(byte[] bytes);

  /** All that was appended is visible to readers after it. */
  void flush();

  @Override
  void close();

  /** On stores that append: visible after every call. */
  record Appended(Path path, FSDataOutputStream out) implements GrowingFile {

    @Override
    public void append(byte[] bytes) {
      Store.run(
          "written",
          path,
          () -> {
            out.write(bytes);
            out.hflush();
          });
    }

    @Override
    public void flush() {}

    @Override
    public void close() {
      Store.run(
          "closed",
          path,
          () -> {
            out.close();
          });
    }
  }

  /** On object stores: the whole file again, at most every {@link #INTERVAL} but when flushed. */
  final class Rewritten implements GrowingFile {

    static final Duration INTERVAL = Duration.ofSeconds(30);

    private final Store files;
    private final Path path;
    private final InstantSource clock;
    private final ByteArrayOutputStream content = new ByteArrayOutputStream();
    private int writtenBytes;
    private Instant writtenAt;

    Rewritten(Store files, Path path, byte[] content, InstantSource clock) {
      this.files = files;
      this.path = path;
      this.clock = clock;
      this.content.writeBytes(content);
      this.writtenBytes = content.length;
      this.writtenAt = clock.instant();
    }

    @Override
    public void append(byte[] bytes) {
      content.writeBytes(bytes);
      if (!clock.instant().isBefore(writtenAt.plus(INTERVAL))) {
        flush();
      }
    }

    @Override
    public void flush() {
      if (content.size() > writtenBytes) {
        files.replace(path, content.toByteArray());
        writtenBytes = content.size();
        writtenAt = clock.instant();
      }
    }

    @Override
    public void close() {
      flush();
    }
  }
}
