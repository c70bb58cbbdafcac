package org.sparkfinetune.engine.train;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.sparkfinetune.config.TrainConfig.IntervalStrategy;
import org.sparkfinetune.config.TrainConfig.Loop;
import org.sparkfinetune.config.TrainConfig.Reporting;
import org.sparkfinetune.data.tokenize.PackedRows.PackedRow;

/**
 * Which rows are in which optimizer step. Every epoch is one permutation from (seed, epoch), cut
 * into steps of {@code ranks x per_device_train_batch_size x gradient_accumulation_steps} rows; the
 * last step of an epoch takes what is left, so that no row is dropped and none spills over.
 */
public final class StepSchedule {
  private final int rows;
  private final int rowsPerStep;
  private final long seed;
  private final Order sequence;
  private final long totalSteps;
  private int epochOfOrder = -1;
  private int[] order = new int[0];

  /** How an epoch goes through the rows. */
  enum Order {
    SHUFFLED,
    /** For comparing with other programs. */
    AS_STORED
  }

  /**
   * @param rows of the training split, at least one
   * @param rowsPerStep of all ranks; a run that goes on with another number of ranks keeps it
   */
  public StepSchedule(int rows, int rowsPerStep, Loop loop, long seed) {
    this(rows, rowsPerStep, loop, seed, Order.SHUFFLED);
  }

  StepSchedule(int rows, int rowsPerStep, Loop loop, long seed, Order sequence) {
    this.sequence = sequence;
    this.rows = rows;
    this.rowsPerStep = rowsPerStep;
    this.seed = seed;
    this.totalSteps =
        loop.maxSteps().isPresent()
            ? loop.maxSteps().getAsInt()
            : Math.max(1, (long) Math.ceil(loop.numTrainEpochs() * stepsPerEpoch() - 1e-9));
  }

  /** What the configuration asks for on a number of ranks. */
  public static int rowsPerStep(int ranks, Loop loop) {
    return Math.toIntExact(
        (long) ranks * loop.perDeviceTrainBatchSize() * loop.gradientAccumulationSteps());
  }

  public long totalSteps() {
    return totalSteps;
  }

  public long stepsPerEpoch() {
    return (rows + rowsPerStep - 1L) / rowsPerStep;
  }

  /** Epochs done after a step: whole at the end of each epoch. */
  public double epoch(long step) {
    return (double) step / stepsPerEpoch();
  }

  public boolean endsEpoch(long step) {
    return step % stepsPerEpoch() == 0;
  }

  /**
   * Whether an evaluation or a checkpoint comes after a step; with any but {@code NO} after the
   * last one, too.
   *
   * @param every steps between two, under {@link IntervalStrategy#STEPS}
   */
  public boolean isDue(IntervalStrategy strategy, int every, long step) {
    boolean last = step == totalSteps();
    return switch (strategy) {
      case NO -> false;
      case STEPS -> step % every == 0 || last;
      case EPOCH -> endsEpoch(step) || last;
    };
  }

  /**
   * Whether an evaluation comes after a step. {@code eval_delay} counts epochs where evaluations
   * follow epochs, and steps where they follow steps, as in transformers.
   */
  public boolean evaluates(Reporting reporting, long step) {
    double done = reporting.evalStrategy() == IntervalStrategy.EPOCH ? epoch(step) : step;
    return isDue(reporting.evalStrategy(), reporting.evalSteps(), step)
        && reporting.evalDelay() <= done;
  }

  /** Rows of a step (from 1), of all ranks, in order. */
  public int[] rows(long step) {
    long epoch = (step - 1) / stepsPerEpoch();
    int from = (int) ((step - 1) % stepsPerEpoch()) * rowsPerStep;
    return Arrays.copyOfRange(
        order(Math.toIntExact(epoch)), from, Math.min(rows, from + rowsPerStep));
  }

  private int[] order(int epoch) {
    if (epoch != epochOfOrder) {
      order =
          switch (sequence) {
            case SHUFFLED -> permutation(epoch);
            case AS_STORED -> IntStream.range(0, rows).toArray();
          };
      epochOfOrder = epoch;
    }
    return order;
  }

  private int[] permutation(int epoch) {
    SplittableRandom random = new SplittableRandom(seed * 0x9E3779B97F4A7C15L + epoch);
    int[] permutation = new int[rows];
    for (int i = 0; i < rows; i++) {
      int j = random.nextInt(i + 1);
      permutation[i] = permutation[j];
      permutation[j] = i;
    }
    return permutation;
  }

  /** Where a rank's share of {@code count} rows begins; the shares differ by one row at most. */
  static int shareBegin(int count, int rank, int ranks) {
    return (int) ((long) count * rank / ranks);
  }

  /**
   * A packed row.
   *
   * @param number in its split
   * @param indexInStep its place among all rows of the global step, the same for any number of
   *     ranks
   */
  record StepRow(PackedRow row, int number, int indexInStep) {
    /** Of a split that is one step. */
    StepRow(PackedRow row, int number) {
      this(row, number, number);
    }
  }
}
