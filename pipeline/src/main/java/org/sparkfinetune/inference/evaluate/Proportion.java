package org.sparkfinetune.inference.evaluate;

/**
 * A share of samples with its 95 % interval (Wilson 1927), which holds for small counts and near 0
 * and 1 too.
 */
public record Proportion(long hits, long count, double low, double high) {
  private static final double Z = 1.959963984540054;

  /** The share of {@code hits} in {@code count}; of nothing it is anything from 0 to 1. */
  public static Proportion of(long hits, long count) {
    if (count == 0) {
      return new Proportion(0, 0, 0, 1);
    }
    double p = (double) hits / count;
    double z2 = Z * Z / count;
    double middle = (p + z2 / 2) / (1 + z2);
    double half = Z / (1 + z2) * Math.sqrt(p * (1 - p) / count + z2 / (4 * count));
    return new Proportion(hits, count, Math.max(0, middle - half), Math.min(1, middle + half));
  }

  public double value() {
    return count == 0 ? 0 : (double) hits / count;
  }
}
