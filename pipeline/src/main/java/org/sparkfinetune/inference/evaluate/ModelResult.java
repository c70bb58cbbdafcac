package org.sparkfinetune.inference.evaluate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
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
    List<Mean.Part> scores = scores(metric);
    return scores.isEmpty()
        ? Optional.empty()
        : Optional.of(
            Proportion.of(scores.stream().filter(part -> part.sum() == 1).count(), scores.size()));
  }

  /** The mean of a metric over the samples that it can judge. */
  public Optional<Mean> mean(String metric) {
    List<Mean.Part> scores = scores(metric);
    return scores.isEmpty() ? Optional.empty() : Optional.of(Mean.of(scores).within(0, 1));
  }

  private List<Mean.Part> scores(String metric) {
    return samples.stream().flatMap(sample -> sample.score(metric).stream()).toList();
  }

  /** How much higher the loss is than another model's, on the samples that both have one of. */
  public Optional<Difference> lossSince(ModelResult before) {
    return since(before, SampleResult::loss);
  }

  /** How much higher a metric is than for another model, on the samples that are judged of both. */
  public Optional<Difference> since(ModelResult before, String metric) {
    return since(before, sample -> sample.score(metric)).map(d -> d.within(-1, 1));
  }

  private Optional<Difference> since(
      ModelResult before, Function<SampleResult, Optional<Mean.Part>> measured) {
    List<Mean.Part> earlier = new ArrayList<>();
    List<Mean.Part> later = new ArrayList<>();
    for (int i = 0; i < samples.size(); i++) {
      Optional<Mean.Part> then = measured.apply(before.samples.get(i));
      Optional<Mean.Part> now = measured.apply(samples.get(i));
      if (then.isPresent() && now.isPresent()) {
        earlier.add(then.get());
        later.add(now.get());
      }
    }
    return later.isEmpty() ? Optional.empty() : Optional.of(Difference.of(earlier, later));
  }

  /** How many answers ended at {@code max_new_tokens}; nothing where none was asked for. */
  public Optional<Long> truncated() {
    List<SampleResult.Answer> answers =
        samples.stream().flatMap(sample -> sample.answer().stream()).toList();
    return answers.isEmpty()
        ? Optional.empty()
        : Optional.of(answers.stream().filter(SampleResult.Answer::isTruncated).count());
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
      double half =
          half(parts.stream().mapToDouble(p -> (p.sum() - mean * p.tokens()) / tokens).toArray());
      return new Mean(mean, mean - half, mean + half, tokens);
    }

    private Mean within(double least, double most) {
      return new Mean(value, Math.max(least, low), Math.min(most, high), tokens);
    }

    /**
     * Half of an interval.
     *
     * @param residuals what each sample adds to the deviation of an estimate
     */
    private static double half(double[] residuals) {
      int n = residuals.length;
      double squares = Arrays.stream(residuals).map(r -> r * r).sum();
      return n < 2 ? Double.NaN : Z * Math.sqrt(squares * n / (n - 1));
    }
  }

  /**
   * A difference of two means with its 95 % interval, paired: both are over the same samples, and
   * what is hard for both does not widen it.
   *
   * @param count of samples
   */
  public record Difference(double value, double low, double high, int count) {

    private Difference within(double least, double most) {
      return new Difference(value, Math.max(least, low), Math.min(most, high), count);
    }

    /** What is added from {@code before} to {@code after}, sample by sample. */
    static Difference of(List<Mean.Part> before, List<Mean.Part> after) {
      Mean first = Mean.of(before);
      Mean second = Mean.of(after);
      double value = second.value() - first.value();
      double[] residuals = new double[after.size()];
      for (int i = 0; i < residuals.length; i++) {
        Mean.Part a = before.get(i);
        Mean.Part b = after.get(i);
        residuals[i] =
            (b.sum() - second.value() * b.tokens()) / second.tokens()
                - (a.sum() - first.value() * a.tokens()) / first.tokens();
      }
      double half = Mean.half(residuals);
      return new Difference(value, value - half, value + half, residuals.length);
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
