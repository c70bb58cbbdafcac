package org.sparkfinetune.inference.evaluate;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict;

/** All samples of one model, and what they add up to. */
public record ModelResult(List<SampleResult> samples) {
  public ModelResult {
    samples = List.copyOf(samples);
  }

  public Optional<Mean> loss() {
    List<Mean.Part> parts = samples.stream().flatMap(sample -> sample.loss().stream()).toList();
    return parts.isEmpty() ? Optional.empty() : Optional.of(Mean.of(parts));
  }

  /** The share of hits of a metric of zeros and ones, among the samples that it can judge. */
  public Optional<Proportion> share(String metric) {
    List<Double> scores = scores(metric);
    return scores.isEmpty()
        ? Optional.empty()
        : Optional.of(
            Proportion.of(scores.stream().filter(score -> score == 1).count(), scores.size()));
  }

  /** The mean of a metric over the samples that it can judge. */
  public Optional<Mean> mean(String metric) {
    List<Double> scores = scores(metric);
    return scores.isEmpty()
        ? Optional.empty()
        : Optional.of(Mean.of(scores.stream().map(score -> new Mean.Part(score, 1)).toList()));
  }

  private List<Double> scores(String metric) {
    return samples.stream()
        .flatMap(sample -> Optional.ofNullable(sample.scores().get(metric)).stream())
        .toList();
  }

  /** How many of each kind. */
  public Map<Verdict.Kind, Long> kinds() {
    Map<Verdict.Kind, Long> kinds = new EnumMap<>(Verdict.Kind.class);
    verdicts().forEach(verdict -> kinds.merge(verdict.kind(), 1L, Long::sum));
    return kinds;
  }

  private List<Verdict> verdicts() {
    return samples.stream().flatMap(sample -> sample.verdict().stream()).toList();
  }

  /**
   * A mean over tokens with its 95 % interval, the samples being what was drawn (ratio estimate).
   */
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

  /**
   * A share of samples with its 95 % interval (Wilson 1927), which holds for small counts and near
   * 0 and 1 too.
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
}
