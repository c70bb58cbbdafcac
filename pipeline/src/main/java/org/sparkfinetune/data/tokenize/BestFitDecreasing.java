package org.sparkfinetune.data.tokenize;

import java.util.Arrays;
import java.util.BitSet;

/**
 * Best-fit decreasing: the longest piece first, each into the fullest row that still takes it. The
 * free space of a row is a small number, so rows with equal space form a stack and the search is a
 * step in a bit set: a million pieces take a fraction of a second, hence all lengths at once and no
 * groups that would each end with half-empty rows.
 */
final class BestFitDecreasing {
  private static final int NONE = -1;

  private final int rowLength;
  private final int[] topWithFree;
  private final int[] below;
  private final BitSet free = new BitSet();
  private int rows = 0;

  private BestFitDecreasing(int rowLength, int pieces) {
    this.rowLength = rowLength;
    this.topWithFree = new int[rowLength + 1];
    this.below = new int[pieces];
    Arrays.fill(topWithFree, NONE);
  }

  /**
   * @param lengths each at most {@code rowLength}
   * @return the row of each piece; rows are numbered in the order of their first pieces
   */
  static int[] rows(int[] lengths, int rowLength) {
    BestFitDecreasing fit = new BestFitDecreasing(rowLength, lengths.length);
    int[] rowOf = new int[lengths.length];
    for (int piece : longestFirst(lengths, rowLength)) {
      rowOf[piece] = fit.place(lengths[piece]);
    }
    return inOrderOfPieces(rowOf, fit.rows);
  }

  private int place(int length) {
    int space = free.nextSetBit(length);
    int row;
    if (space < 0) {
      row = rows++;
      space = rowLength;
    } else {
      row = topWithFree[space];
      topWithFree[space] = below[row];
      free.set(space, below[row] != NONE);
    }
    int left = space - length;
    below[row] = topWithFree[left];
    topWithFree[left] = row;
    free.set(left);
    return row;
  }

  /** Counting sort; equal lengths stay in their order. */
  private static int[] longestFirst(int[] lengths, int rowLength) {
    int[] next = new int[rowLength + 2];
    for (int length : lengths) {
      next[rowLength - length + 1]++;
    }
    for (int i = 1; i < next.length; i++) {
      next[i] += next[i - 1];
    }
    int[] order = new int[lengths.length];
    for (int piece = 0; piece < lengths.length; piece++) {
      order[next[rowLength - lengths[piece]]++] = piece;
    }
    return order;
  }

  private static int[] inOrderOfPieces(int[] rowOf, int rows) {
    int[] renamed = new int[rows];
    Arrays.fill(renamed, NONE);
    int next = 0;
    for (int piece = 0; piece < rowOf.length; piece++) {
      if (renamed[rowOf[piece]] == NONE) {
        renamed[rowOf[piece]] = next++;
      }
      rowOf[piece] = renamed[rowOf[piece]];
    }
    return rowOf;
  }
}
