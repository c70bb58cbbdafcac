package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Bytes {@code [start, end)} of a text file: the lines that begin there.
 *
 * @param index its place among the splits of its file
 */
record TextSplit(InputFile file, int index, long start, long end) implements Serializable {
  private static final long SMALLEST = 1 << 20;
  private static final long LARGEST = 32 << 20;

  /** A split by the indices of its file and itself. */
  record Id(int file, int split) implements Serializable, Comparable<Id> {
    private static final Comparator<Id> ORDER =
        Comparator.comparingInt(Id::file).thenComparingInt(Id::split);

    @Override
    public int compareTo(Id other) {
      return ORDER.compare(this, other);
    }
  }

  /**
   * Turns a line of a split into a line of its file.
   *
   * @param before lines before each split that is not the first of its file
   */
  record LineNumbers(Map<Id, Long> before) implements Serializable {
    static LineNumbers of(Map<Id, Long> linesOfSplits) {
      Map<Id, Long> before = new HashMap<>();
      Map<Integer, Long> sums = new HashMap<>();
      new TreeMap<>(linesOfSplits)
          .forEach(
              (split, count) -> {
                long sum = sums.getOrDefault(split.file(), 0L);
                if (sum > 0) {
                  before.put(split, sum);
                }
                sums.put(split.file(), sum + count);
              });
      return new LineNumbers(before);
    }

    long rowInFile(InputRows.Position position) {
      return before.getOrDefault(new Id(position.file(), position.split()), 0L) + position.number();
    }
  }

  /** Bytes of a split such that each of {@code parallelism} cores gets a few. */
  static long bytesEach(List<InputFile> files, int parallelism) {
    long total = files.stream().mapToLong(InputFile::length).sum();
    return Math.min(LARGEST, Math.max(SMALLEST, total / (2L * parallelism)));
  }

  static List<TextSplit> of(List<InputFile> files, long size) {
    List<TextSplit> splits = new ArrayList<>();
    for (InputFile file : files) {
      if (file.format().isText()) {
        add(splits, file, file.splittable() ? size : Math.max(1, file.length()));
      }
    }
    return splits;
  }

  private static void add(List<TextSplit> splits, InputFile file, long size) {
    int count = (int) Math.max(1, (file.length() + size - 1) / size);
    for (int i = 0; i < count; i++) {
      splits.add(new TextSplit(file, i, i * size, Math.min(file.length(), (i + 1) * size)));
    }
  }

  static TextSplit whole(InputFile file) {
    return new TextSplit(file, 0, 0, file.length());
  }

  boolean first() {
    return index == 0;
  }

  Id id() {
    return new Id(file.index(), index);
  }
}
