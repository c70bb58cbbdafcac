package org.sparkfinetune.spark.prepare;

import java.io.Serializable;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.sparkfinetune.config.PrepareConfig;
import org.sparkfinetune.config.PrepareConfig.TestSize;
import org.sparkfinetune.errors.Bug;
import org.sparkfinetune.errors.UserError;

/**
 * Which rows of each stratum go where: in the shuffled order, the first {@code test} rows are the
 * test split and the {@code train} rows behind them the training split. Test comes first so that a
 * test split of N rows stays the same when more rows are taken.
 *
 * @param ends where the splits of each stratum end
 */
record Selection(Map<Stratum, Share> shares, Map<Stratum, Ends> ends) implements Serializable {
  /** Rows of one stratum for each split. */
  record Share(long test, long train) implements Serializable {
    static final Share NONE = new Share(0, 0);
  }

  /** The position behind {@code rows} rows of a stratum in a bucket. */
  record End(int bucket, long rows) implements Serializable {
    boolean isBehind(int otherBucket, long row) {
      return otherBucket < bucket || (otherBucket == bucket && row < rows);
    }
  }

  /** Of the test split, and of the training split behind it. */
  record Ends(End test, End train) implements Serializable {}

  /** The two splits, and what they are called in the output. */
  enum Split {
    TRAIN("train"),
    TEST("test");

    private final String text;

    Split(String text) {
      this.text = text;
    }

    /** The folder of Parquet files. */
    String folder() {
      return text;
    }

    /** The file of JSON lines. */
    String jsonFile() {
      return text + "_dataset.json";
    }
  }

  /**
   * Rows that are split among themselves: those of one source and one value of {@code stratify_by},
   * and those of a ready test split.
   *
   * @param source empty where nothing is mixed
   * @param value empty where nothing stratifies
   */
  record Stratum(InputFile.Origin origin, String source, String value)
      implements Serializable, Comparable<Stratum> {
    private static final Comparator<Stratum> ORDER =
        Comparator.comparing(Stratum::origin)
            .thenComparing(Stratum::source)
            .thenComparing(Stratum::value);

    static final Stratum READY_TEST = new Stratum(InputFile.Origin.TEST_INPUT, "", "");

    @Override
    public int compareTo(Stratum other) {
      return ORDER.compare(this, other);
    }
  }

  /**
   * The split that a row goes to; empty if it is not selected.
   *
   * @param row how many rows of its stratum are before it in its bucket
   */
  Optional<Split> splitOf(Stratum stratum, int bucket, long row) {
    Ends of = ends.get(stratum);
    if (of == null) {
      throw new Bug("The rows of %s were not counted.".formatted(stratum));
    }
    if (of.test().isBehind(bucket, row)) {
      return Optional.of(Split.TEST);
    }
    return of.train().isBehind(bucket, row) ? Optional.of(Split.TRAIN) : Optional.empty();
  }

  /** Rows of one source, of all its strata. */
  Share shareOf(String source) {
    return shares.entrySet().stream()
        .filter(entry -> entry.getKey().source().equals(source))
        .map(Map.Entry::getValue)
        .reduce(
            Share.NONE,
            (one, other) -> new Share(one.test() + other.test(), one.train() + other.train()));
  }

  long trainRows() {
    return shares.values().stream().mapToLong(Share::train).sum();
  }

  long testRows() {
    return shares.values().stream().mapToLong(Share::test).sum();
  }

  /**
   * How many rows of each stratum each split gets.
   *
   * @param available rows of each stratum
   * @throws UserError if there are fewer than wanted
   */
  static Map<Stratum, Share> shares(Map<Stratum, Long> available, PrepareConfig config) {
    Map<Stratum, Long> sizes = new TreeMap<>();
    Map<Stratum, Share> shares = new HashMap<>();
    available.forEach(
        (stratum, rows) -> {
          if (stratum.origin() == InputFile.Origin.TEST_INPUT) {
            shares.put(stratum, new Share(rows, 0));
          } else {
            sizes.put(stratum, rows);
          }
        });
    Map<Stratum, Long> takenOf = Mixture.of(config, sizes).taken();
    Map<Stratum, Long> testOf = apportioned(testRows(sum(takenOf), config), takenOf);
    takenOf.forEach(
        (stratum, rows) -> {
          long test = testOf.getOrDefault(stratum, 0L);
          shares.put(stratum, new Share(test, rows - test));
        });
    return shares;
  }

  private static long testRows(long taken, PrepareConfig config) {
    if (config.testInput().isPresent()) {
      return 0;
    }
    long test = rows(config.testSize(), taken);
    if (test >= taken) {
      throw new UserError(
          "test_size: %s of %s rows for the test split leaves none to train on. Make it smaller, or take more rows."
              .formatted(test, taken));
    }
    return test;
  }

  /** A fraction is rounded up as in the reference, in decimals: 0.07 of 100 is 7, not 8. */
  static long rows(TestSize size, long taken) {
    if (size instanceof TestSize.Fraction part) {
      return BigDecimal.valueOf(part.fraction())
          .multiply(BigDecimal.valueOf(taken))
          .setScale(0, RoundingMode.CEILING)
          .longValueExact();
    }
    return ((TestSize.Rows) size).rows();
  }

  /**
   * {@code total} divided in proportion to {@code sizes}: everyone's whole part, and what is left
   * one by one to the largest fractions.
   */
  static <K extends Comparable<K>> Map<K, Long> apportioned(long total, Map<K, Long> sizes) {
    record Fraction<K>(K of, BigInteger numerator) {}
    BigInteger sum = BigInteger.valueOf(Math.max(1, sum(sizes)));
    Map<K, Long> parts = new TreeMap<>();
    List<Fraction<K>> fractions = new ArrayList<>();
    long left = total;
    for (Map.Entry<K, Long> entry : new TreeMap<>(sizes).entrySet()) {
      BigInteger[] part =
          BigInteger.valueOf(total)
              .multiply(BigInteger.valueOf(entry.getValue()))
              .divideAndRemainder(sum);
      parts.put(entry.getKey(), part[0].longValueExact());
      left -= part[0].longValueExact();
      fractions.add(new Fraction<>(entry.getKey(), part[1]));
    }
    fractions.sort(
        Comparator.comparing((Fraction<K> fraction) -> fraction.numerator())
            .reversed()
            .thenComparing(Fraction::of));
    for (int i = 0; i < left; i++) {
      parts.merge(fractions.get(i).of(), 1L, Long::sum);
    }
    return parts;
  }

  static long sum(Map<?, Long> sizes) {
    return sizes.values().stream().mapToLong(Long::longValue).sum();
  }
}
