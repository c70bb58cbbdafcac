package org.sparkfinetune.data.tokenize;

import java.nio.IntBuffer;
import java.util.Arrays;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;
import org.sparkfinetune.errors.Bug;

/** Puts pieces of samples side by side into a row and fills it up with padding. */
public final class PackedRowBuilder {
  private final int rowLength;
  private final int sequenceLength;
  private final int padId;
  private int[] inputIds = new int[0];
  private int[] labels = new int[0];
  private int[] positionIds = new int[0];
  private int[] segmentIds = new int[0];
  private int size;
  private int segments;
  private int trained;

  public PackedRowBuilder(int rowLength, int padId) {
    this(rowLength, rowLength, padId);
  }

  /**
   * @param sequenceLength of the sequences of a pair, which are cut behind so many tokens
   */
  public PackedRowBuilder(int rowLength, int sequenceLength, int padId) {
    this.rowLength = rowLength;
    this.sequenceLength = sequenceLength;
    this.padId = padId;
    clear();
  }

  private void clear() {
    inputIds = new int[rowLength];
    labels = new int[rowLength];
    positionIds = new int[rowLength];
    segmentIds = new int[rowLength];
    Arrays.fill(inputIds, padId);
    Arrays.fill(labels, PackedRow.NOT_TRAINED);
    Arrays.fill(segmentIds, PackedRow.PADDING);
    size = 0;
    segments = 0;
    trained = 0;
  }

  public boolean isEmpty() {
    return segments == 0;
  }

  /** How many tokens of the row are trained. */
  public int trainedTokens() {
    return trained;
  }

  public int tokens() {
    return size;
  }

  /**
   * Adds a piece as a segment of its own, or a pair's two sequences as two.
   *
   * @param labelledIds {@link LabelledIds#ids}
   */
  public void add(byte[] labelledIds) {
    IntBuffer piece = LabelledIds.view(labelledIds);
    int from = 0;
    for (int i = 0; i <= piece.limit(); i++) {
      if (i == piece.limit() || piece.get(i) == LabelledIds.NEXT) {
        boolean isPair = piece.limit() > i - from;
        add(piece, from, isPair ? Math.min(sequenceLength, i - from) : i - from);
        from = i + 1;
      }
    }
  }

  private void add(IntBuffer piece, int from, int length) {
    if (size + length > rowLength) {
      throw new Bug("A row of %s tokens was given %s.".formatted(rowLength, size + length));
    }
    for (int i = 0; i < length; i++) {
      int labelled = piece.get(from + i);
      int id = LabelledIds.id(labelled);
      // Nothing precedes the first token in its segment, so nothing could predict it.
      boolean isTrained = i > 0 && LabelledIds.isTrained(labelled);
      inputIds[size + i] = id;
      labels[size + i] = isTrained ? id : PackedRow.NOT_TRAINED;
      positionIds[size + i] = i;
      segmentIds[size + i] = segments;
      trained += isTrained ? 1 : 0;
    }
    size += length;
    segments++;
  }

  /** The row made so far, padded; the next one begins empty. */
  public PackedRow build() {
    PackedRow row = new PackedRow(inputIds, labels, positionIds, segmentIds);
    clear();
    return row;
  }
}
