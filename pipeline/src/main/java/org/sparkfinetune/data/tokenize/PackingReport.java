package org.sparkfinetune.data.tokenize;

import java.io.Serializable;

/**
 * What became of the samples of a split; every one is counted in exactly one of {@code packed},
 * {@code dropped} and {@code nothingToTrain}.
 *
 * @param samples all of them
 * @param packed those in rows, truncated and split ones among them
 * @param dropped left out since longer than a row
 * @param truncated cut at the row's length
 * @param split continued in further pieces
 * @param nothingToTrain left out since no token of them would be trained
 * @param tokensCut tokens lost by truncation
 * @param shortest tokens of the shortest sample, 0 without samples
 * @param longest tokens of the longest sample
 * @param rowLength tokens of a row
 * @param rows rows made
 * @param tokens tokens in rows, padding not counted
 */
public record PackingReport(
    long samples,
    long packed,
    long dropped,
    long truncated,
    long split,
    long nothingToTrain,
    long tokensCut,
    int shortest,
    int longest,
    int rowLength,
    int rows,
    long tokens)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  /** The part of the rows that is not padding, 0 to 1. */
  public double fill() {
    return rows == 0 ? 0 : (double) tokens / ((double) rows * rowLength);
  }
}
