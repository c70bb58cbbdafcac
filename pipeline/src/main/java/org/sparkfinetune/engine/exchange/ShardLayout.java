package org.sparkfinetune.engine.exchange;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sparkfinetune.engine.exchange.Shard.FileRange;
import org.sparkfinetune.errors.Bug;

/** Finds the file ranges behind a stretch of a shard. */
final class ShardLayout {
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

  /** The pieces that make up {@code [offset, offset + length)}; neighbours in a file are joined. */
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
      if (before.file().equals(next.file()) && before.offset() + before.length() == next.offset()) {
        pieces.set(
            last, new FileRange(next.file(), before.offset(), before.length() + next.length()));
        return;
      }
    }
    pieces.add(next);
  }
}
