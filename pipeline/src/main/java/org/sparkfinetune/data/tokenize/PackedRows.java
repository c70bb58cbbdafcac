package org.sparkfinetune.data.tokenize;

import java.io.Serializable;

/** Random access to the packed rows of one split, all of the same length. */
public interface PackedRows extends AutoCloseable {
  int size();

  int rowLength();

  PackedRow row(int index);

  @Override
  void close();

  /**
   * The rows of one source of a mixture, which follow each other.
   *
   * @param rows how many
   */
  record SourceRows(String source, int rows) implements Serializable {}

  /**
   * One packed training row of {@code length} tokens.
   *
   * @param inputIds token ids; padding holds the pad id
   * @param labels the ids again where a token is trained, {@link #NOT_TRAINED} elsewhere. Not
   *     shifted: position {@code t} is predicted from position {@code t - 1} of the same segment
   * @param positionIds restart at 0 in each sample
   * @param segmentIds 0, 1, 2… for the samples of the row, {@link #PADDING} for padding
   */
  record PackedRow(int[] inputIds, int[] labels, int[] positionIds, int[] segmentIds) {
    public static final int NOT_TRAINED = -100;
    public static final int PADDING = -1;

    public int length() {
      return inputIds.length;
    }
  }
}
