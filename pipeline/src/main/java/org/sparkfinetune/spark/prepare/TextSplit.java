package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * Bytes {@code [start, end)} of a text file: the lines that begin there.
 *
 * @param index its place among the splits of its file
 */
record TextSplit(InputFile file, int index, long start, long end) implements Serializable {
  private static final long SMALLEST = 1 << 20;
  private static final long LARGEST = 32 << 20;

  /** Bytes of a split such that each of {@code parallelism} cores gets a few. */
  static long bytesEach(List<InputFile> files, int parallelism) {
    long total = files.stream().mapToLong(InputFile::length).sum();
    return Math.min(LARGEST, Math.max(SMALLEST, total / (2L * parallelism)));
  }

  static List<TextSplit> of(List<InputFile> files, long size) {
    List<TextSplit> splits = new ArrayList<>();
    for (InputFile file : files) {
      if (file.format() != InputFile.Format.PARQUET) {
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
}
