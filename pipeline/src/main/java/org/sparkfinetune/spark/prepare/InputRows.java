package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.Serializable;
import java.util.Comparator;
import org.sparkfinetune.data.conversation.RejectedRow;

/** The rows that one task reads, one at a time; all methods but {@code next} describe the row. */
interface InputRows {
  /**
   * Where a row is.
   *
   * @param split index of the split within the file
   * @param number 1 for the first line or row of the split
   */
  record Position(int file, int split, long number) implements Serializable, Comparable<Position> {
    private static final Comparator<Position> ORDER =
        Comparator.comparingInt(Position::file)
            .thenComparingInt(Position::split)
            .thenComparingLong(Position::number);

    @Override
    public int compareTo(Position other) {
      return ORDER.compare(this, other);
    }
  }

  /** Returns false behind the last row. */
  boolean next() throws IOException;

  Position position();

  /** The first byte of the split that holds the row. */
  long splitStart();

  /** The file or table that holds the row. */
  InputFile file();

  /**
   * The row's columns.
   *
   * @throws RejectedRow if the row is no object of columns
   */
  ObjectNode tree() throws RejectedRow;

  /** The beginning of the row, for a person to recognise. */
  String excerpt();
}
