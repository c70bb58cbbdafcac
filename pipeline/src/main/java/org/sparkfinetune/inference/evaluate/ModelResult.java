package org.sparkfinetune.inference.evaluate;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** All samples of one model, and what they add up to. */
public record ModelResult(List<SampleResult> samples) {
  public ModelResult {
    samples = List.copyOf(samples);
  }

  public Optional<Mean> loss() {
    List<Mean.Part> parts = samples.stream().flatMap(sample -> sample.loss().stream()).toList();
    return parts.isEmpty() ? Optional.empty() : Optional.of(Mean.of(parts));
  }

  /** Of the samples that have an answer. */
  public Optional<Proportion> exactMatch() {
    return share(answered().stream().filter(SampleResult::exact).count(), answered().size());
  }

  public Optional<Proportion> normalisedMatch() {
    return share(answered().stream().filter(SampleResult::normalised).count(), answered().size());
  }

  /** Of the samples that could be judged. */
  public Optional<Proportion> executionMatch() {
    List<Verdict> judged =
        verdicts().stream().filter(v -> v.kind() != Verdict.Kind.UNJUDGED).toList();
    return share(judged.stream().filter(Verdict::isMatch).count(), judged.size());
  }

  /** How many of each kind. */
  public Map<Verdict.Kind, Long> kinds() {
    Map<Verdict.Kind, Long> kinds = new EnumMap<>(Verdict.Kind.class);
    verdicts().forEach(verdict -> kinds.merge(verdict.kind(), 1L, Long::sum));
    return kinds;
  }

  private List<SampleResult> answered() {
    return samples.stream().filter(sample -> sample.generated().isPresent()).toList();
  }

  private List<Verdict> verdicts() {
    return samples.stream().flatMap(sample -> sample.verdict().stream()).toList();
  }

  private static Optional<Proportion> share(long hits, long count) {
    return count == 0 ? Optional.empty() : Optional.of(Proportion.of(hits, count));
  }
}
