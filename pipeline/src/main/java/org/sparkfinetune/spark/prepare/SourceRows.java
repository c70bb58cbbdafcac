package org.sparkfinetune.spark.prepare;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Closeable;
import java.io.IOException;
import org.sparkfinetune.data.conversation.RejectedRow;

/**
 * The rows of one file or split, one at a time. Methods but {@code next} speak of the row at hand.
 */
interface SourceRows extends Closeable {
  /**
   * Goes to the next row.
   *
   * @return false behind the last row
   * @throws UnreadableFile if the file cannot be read to its end
   */
  boolean next() throws IOException;

  /** 1 for the first row of the split: a line in JSON lines, else a row. */
  long number();

  /**
   * The row as a tree.
   *
   * @throws RejectedRow if the row is no object of columns
   */
  ObjectNode tree() throws RejectedRow;

  /** The beginning of the row as it stands in the file, for a person to recognise. */
  String excerpt();

  /** Lines without a row in them so far. */
  long blankLines();
}
