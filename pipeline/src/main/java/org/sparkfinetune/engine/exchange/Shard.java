package org.sparkfinetune.engine.exchange;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
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
        throw new Bug(
            "A range of %s starts at %s and has %s bytes.".formatted(file, offset, length));
      }
    }
  }

  /** Finds the file ranges behind a stretch of a shard. */
  static final class ShardLayout {
    private final List<FileRange> ranges;
    private final long[] starts;
    private final long size;

    ShardLayout(Shard shard) {
      this.ranges = shard.ranges().stream().filter(range -> range.length() > 0).toList();
      this.starts = new long[ranges.size()];
      long at = 0;
      for (int i = 0; i < starts.length; i++) {
        starts[i] = at;
        at += ranges.get(i).length();
      }
      this.size = at;
    }

    long size() {
      return size;
    }

    /**
     * The pieces that make up {@code [offset, offset + length)}; neighbours in a file are joined.
     */
    List<FileRange> pieces(long offset, int length) {
      if (offset < 0 || length < 0 || offset + length > size) {
        throw new Bug(
            "Bytes [%s, %s) were asked for from a shard of %s bytes."
                .formatted(offset, offset + length, size));
      }
      if (length == 0) {
        return List.of();
      }
      int index = Arrays.binarySearch(starts, offset);
      index = index >= 0 ? index : -index - 2;
      List<FileRange> pieces = new ArrayList<>();
      long inRange = offset - starts[index];
      long left = length;
      while (left > 0) {
        FileRange range = ranges.get(index++);
        long count = Math.min(left, range.length() - inRange);
        join(pieces, new FileRange(range.file(), range.offset() + inRange, count));
        left -= count;
        inRange = 0;
      }
      return pieces;
    }

    private static void join(List<FileRange> pieces, FileRange next) {
      int last = pieces.size() - 1;
      if (last >= 0) {
        FileRange before = pieces.get(last);
        if (before.file().equals(next.file())
            && before.offset() + before.length() == next.offset()) {
          pieces.set(
              last, new FileRange(next.file(), before.offset(), before.length() + next.length()));
          return;
        }
      }
      pieces.add(next);
    }
  }
}
