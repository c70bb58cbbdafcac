package org.sparkfinetune.spark.prepare;

import java.io.Closeable;
import java.io.IOException;

/** The rows of a text file as slices of bytes, one at a time. */
interface Slices extends Closeable {
  /**
   * Goes to the next row.
   *
   * @return false behind the last row
   * @throws UnreadableFile if what follows cannot be read
   */
  boolean next() throws IOException;

  /** 1 for the first row (or line) of the split or file. */
  long number();

  byte[] bytes();

  int start();

  int end();

  /** Whether the row is longer than {@link Window#LONGEST_ROW}; then the slice is its beginning. */
  boolean cut();
}
