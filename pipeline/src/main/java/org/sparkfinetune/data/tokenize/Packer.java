package org.sparkfinetune.data.tokenize;

import java.io.Serializable;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.IntStream;
import org.sparkfinetune.config.TrainingData.Overlong;
import org.sparkfinetune.errors.UserError;

/**
 * Decides by lengths alone which samples share a row. The same lengths in the same order give the
 * same rows.
 */
public final class Packer {
  private final int rowLength;
  private final Packing packing;
  private final Overlong overlong;

  /**
   * @param rowLength tokens of a row, at least 2
   */
  public Packer(int rowLength, Packing packing, Overlong overlong) {
    if (rowLength < 2) {
      throw new UserError(
          "max_seq_length: %s; a row needs at least 2 tokens, one to read and one to predict."
              .formatted(rowLength));
    }
    this.rowLength = rowLength;
    this.packing = packing;
    this.overlong = overlong;
  }

  /**
   * @throws UserError if a sample is longer than a row and {@code overlong} is {@code error}
   */
  public PackingPlan pack(SampleLengths samples) {
    return new Plan(samples).make();
  }

  private final class Plan {
    private final SampleLengths samples;
    private final int[] firstPiece;
    private int[] pieceLengths;
    private int pieces = 0;
    private long packed = 0;
    private long dropped = 0;
    private long truncated = 0;
    private long split = 0;
    private long nothingToTrain = 0;
    private long tokensCut = 0;

    Plan(SampleLengths samples) {
      this.samples = samples;
      this.firstPiece = new int[samples.samples() + 1];
      this.pieceLengths = new int[Math.max(16, samples.samples())];
    }

    PackingPlan make() {
      for (int i = 0; i < samples.samples(); i++) {
        firstPiece[i] = pieces;
        cut(i);
        packed += pieces > firstPiece[i] ? 1 : 0;
      }
      firstPiece[samples.samples()] = pieces;
      int[] lengths = Arrays.copyOf(pieceLengths, pieces);
      int[] rowOf =
          switch (packing) {
            case BEST_FIT -> BestFitDecreasing.rows(lengths, rowLength);
            case ONE_SAMPLE_A_ROW -> IntStream.range(0, pieces).toArray();
          };
      return new PackingPlan(firstPiece, rowOf, report(lengths, rowOf));
    }

    private void cut(int sample) {
      int length = samples.lengths()[sample];
      if (samples.firstTrained()[sample] == SampleLengths.NONE) {
        nothingToTrain++;
      } else if (length <= rowLength) {
        add(length);
      } else {
        cutOverlong(sample, length);
      }
    }

    private void cutOverlong(int sample, int length) {
      switch (overlong) {
        case DROP -> dropped++;
        case ERROR ->
            throw new UserError(
                "Sample %s has %s tokens, more than max_seq_length: %s, and overlong is 'error'. Raise max_seq_length, or set overlong to drop, truncate or split."
                    .formatted(sample + 1, length, rowLength));
        case TRUNCATE -> {
          if (samples.firstTrained()[sample] >= rowLength) {
            nothingToTrain++;
          } else {
            truncated++;
            tokensCut += length - rowLength;
            add(rowLength);
          }
        }
        case SPLIT -> {
          split++;
          for (int from = 0; from < length; from += rowLength) {
            add(Math.min(rowLength, length - from));
          }
        }
      }
    }

    private void add(int length) {
      if (pieces == pieceLengths.length) {
        pieceLengths = Arrays.copyOf(pieceLengths, 2 * pieces);
      }
      pieceLengths[pieces++] = length;
    }

    private PackingReport report(int[] lengths, int[] rowOf) {
      return new PackingReport(
          samples.samples(),
          packed,
          dropped,
          truncated,
          split,
          nothingToTrain,
          tokensCut,
          IntStream.of(samples.lengths()).min().orElse(0),
          IntStream.of(samples.lengths()).max().orElse(0),
          rowLength,
          IntStream.of(lengths).max().orElse(0),
          longestRow(lengths, rowOf),
          IntStream.of(rowOf).max().orElse(-1) + 1,
          IntStream.of(lengths).asLongStream().sum());
    }

    private static int longestRow(int[] lengths, int[] rowOf) {
      int[] rows = new int[IntStream.of(rowOf).max().orElse(-1) + 1];
      for (int i = 0; i < rowOf.length; i++) {
        rows[rowOf[i]] += lengths[i];
      }
      return IntStream.of(rows).max().orElse(0);
    }
  }

  /** How samples become rows. */
  public enum Packing {
    /** As many samples a row as fit. */
    BEST_FIT,
    ONE_SAMPLE_A_ROW;

    /** {@code packing}. */
    public static Packing of(boolean packing) {
      return packing ? BEST_FIT : ONE_SAMPLE_A_ROW;
    }
  }

  /**
   * All that packing needs to know of the samples of a split.
   *
   * @param lengths tokens of each sample
   * @param firstTrained of each sample the index of its first trained token after the very first,
   *     or {@link #NONE}
   */
  public record SampleLengths(int[] lengths, int[] firstTrained) {
    public static final int NONE = Integer.MAX_VALUE;

    public SampleLengths {
      if (lengths.length != firstTrained.length) {
        throw new IllegalArgumentException("two lists of different samples");
      }
    }

    public int samples() {
      return lengths.length;
    }
  }

  /**
   * Which samples go into which rows. A sample is cut into pieces of a row's length (one piece,
   * unless it is longer than a row and {@code overlong} is {@code split}); pieces are numbered
   * through in the order of the samples and lie in their row in that order.
   */
  public static final class PackingPlan implements Serializable {
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

    /**
     * How many pieces a sample has; 0 if it was left out. Piece k begins at token k * row length.
     */
    public int pieces(int sample) {
      return firstPiece[sample + 1] - firstPiece[sample];
    }

    public int rowOfPiece(int piece) {
      return rowOfPiece[piece];
    }
  }

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
   * @param longestPiece tokens of the longest piece that lies in a row
   * @param longestRow tokens of the fullest row
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
      int longestPiece,
      int longestRow,
      int rows,
      long tokens)
      implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Of two parts of a split that were packed apart, in rows of one length. */
    public PackingReport plus(PackingReport other) {
      if (samples == 0) {
        return other;
      }
      return new PackingReport(
          samples + other.samples,
          packed + other.packed,
          dropped + other.dropped,
          truncated + other.truncated,
          split + other.split,
          nothingToTrain + other.nothingToTrain,
          tokensCut + other.tokensCut,
          other.samples == 0 ? shortest : Math.min(shortest, other.shortest),
          Math.max(longest, other.longest),
          rowLength,
          Math.max(longestPiece, other.longestPiece),
          Math.max(longestRow, other.longestRow),
          rows + other.rows,
          tokens + other.tokens);
    }

    /**
     * The same of rows that hold pairs of sequences, each at most as long as a row was here.
     *
     * @param tokens in all rows
     * @param longestRow tokens of the fullest row
     */
    public PackingReport ofPairs(long tokens, int longestRow) {
      return new PackingReport(
          samples,
          packed,
          dropped,
          truncated,
          split,
          nothingToTrain,
          tokensCut,
          shortest,
          longest,
          2 * rowLength,
          longestPiece,
          longestRow,
          rows,
          tokens);
    }

    /** What became of the samples, in a line. */
    public String text() {
      return String.format(
          Locale.ROOT,
          "%d samples, %d in %d rows of %d tokens (fill %.3f); dropped as too long %d, truncated %d, split %d, with nothing to train %d.",
          samples,
          packed,
          rows,
          rowLength,
          fill(),
          dropped,
          truncated,
          split,
          nothingToTrain);
    }

    /** The part of the rows that is not padding, 0 to 1. */
    public double fill() {
      return rows == 0 ? 0 : (double) tokens / ((double) rows * rowLength);
    }
  }
}
