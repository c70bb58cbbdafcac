package org.sparkfinetune.engine.exchange;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.RunFailure;

/**
 * A rank's frozen bytes: ranges of local files, one after the other. One range for a shard file of
 * our own; many for a pre-quantised checkpoint that is used where it lies.
 */
public record Shard(List<FileRange> ranges) {
  public Shard {
    ranges = List.copyOf(ranges);
  }

  /** All bytes of one file. */
  public static Shard file(Path file) {
    try {
      return new Shard(List.of(new FileRange(file, 0, Files.size(file))));
    } catch (IOException e) {
      throw new RunFailure("The shard file %s cannot be read: %s.".formatted(file, e), e);
    }
  }

  /** Bytes in all ranges. */
  public long size() {
    return ranges.stream().mapToLong(FileRange::length).sum();
  }

  /** Bytes {@code [offset, offset + length)} of a local file. */
  public record FileRange(Path file, long offset, long length) {
    public FileRange {
      if (offset < 0 || length < 0) {
        throw new Bug("A range of %s starts at %s and has %s bytes.".formatted(file, offset, length));
      }
    }
  }
}
