package org.sparkfinetune.inference.evaluate;

import java.util.List;

/** A mean over tokens with its 95 % interval, the samples being what was drawn (ratio estimate). */
public record Mean(double value, double low, double high, long tokens) {
  private static final double Z = 1.959963984540054;

  /** A sample's sum over its tokens. */
  public record Part(double sum, long tokens) {}

  /** The mean of all tokens of some samples. */
  public static Mean of(List<Part> parts) {
    double sum = parts.stream().mapToDouble(Part::sum).sum();
    long tokens = parts.stream().mapToLong(Part::tokens).sum();
    double mean = tokens == 0 ? Double.NaN : sum / tokens;
    double squares = 0;
    for (Part part : parts) {
      double residual = part.sum() - mean * part.tokens();
      squares += residual * residual;
    }
    int n = parts.size();
    double error = n < 2 ? Double.NaN : Math.sqrt(squares * n / (n - 1)) / tokens;
    return new Mean(mean, mean - Z * error, mean + Z * error, tokens);
  }
}
