package org.sparkfinetune.data.tokenize;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.sparkfinetune.config.Overlong;
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
            case BEST_FIT -> BestFit.rows(lengths, rowLength);
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
          IntStream.of(rowOf).max().orElse(-1) + 1,
          IntStream.of(lengths).asLongStream().sum());
    }
  }
}
