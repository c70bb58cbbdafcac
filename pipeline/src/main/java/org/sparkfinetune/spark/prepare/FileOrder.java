package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.util.List;

/**
 * Gives rejected rows places in the same 64-bit order as samples, spread over it in proportion to
 * the bytes of the input: so they come out by file and row, and no bucket gets more than its part.
 */
// Travels to executors and is never compared.
@SuppressWarnings("ArrayRecordComponent")
record FileOrder(long[] bytesBefore, long unit) implements Serializable {
  static FileOrder of(List<InputFile> files) {
    long[] bytesBefore = new long[files.size()];
    long total = 0;
    for (InputFile file : files) {
      bytesBefore[file.index()] = total;
      // An empty file still needs a place of its own.
      total += Math.max(1, file.length());
    }
    return new FileOrder(bytesBefore, Long.divideUnsigned(-1L, Math.max(1, total)));
  }

  /**
   * @param splitStart the split's first byte
   */
  long order(Place place, long splitStart) {
    long unsigned = (bytesBefore[place.file()] + splitStart) * unit + place.number();
    return unsigned ^ Long.MIN_VALUE;
  }
}
