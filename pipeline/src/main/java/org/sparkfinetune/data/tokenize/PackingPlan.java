package org.sparkfinetune.data.tokenize;

import java.io.Serializable;

/**
 * Which samples go into which rows. A sample is cut into pieces of a row's length (one piece,
 * unless it is longer than a row and {@code overlong} is {@code split}); pieces are numbered
 * through in the order of the samples and lie in their row in that order.
 */
public final class PackingPlan implements Serializable {
  private static final long serialVersionUID = 1L;

  private final int[] firstPiece;
  private final int[] rowOfPiece;
  private final PackingReport report;

  PackingPlan(int[] firstPiece, int[] rowOfPiece, PackingReport report) {
    this.firstPiece = firstPiece;
    this.rowOfPiece = rowOfPiece;
    this.report = report;
  }

  public PackingReport report() {
    return report;
  }

  public int rows() {
    return report.rows();
  }

  /** The number of a sample's first piece. */
  public int firstPiece(int sample) {
    return firstPiece[sample];
  }

  /** How many pieces a sample has; 0 if it was left out. Piece k begins at token k * row length. */
  public int pieces(int sample) {
    return firstPiece[sample + 1] - firstPiece[sample];
  }

  public int rowOfPiece(int piece) {
    return rowOfPiece[piece];
  }
}
