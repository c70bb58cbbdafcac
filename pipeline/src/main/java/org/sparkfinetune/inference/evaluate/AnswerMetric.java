package org.sparkfinetune.inference.evaluate;

import java.util.Optional;
import java.util.OptionalDouble;
import org.sparkfinetune.inference.evaluate.SampleResult.Verdict;

/** One number for an answer. Safe for any number of threads. */
public interface AnswerMetric {

  /** As in {@code metrics} and reports: {@code exact_match}. */
  String name();

  /**
   * From 0 to 1; empty where the expected answer cannot be judged, which depends on the
   * conversation alone and not on the answer.
   */
  OptionalDouble score(AnsweredSample sample);

  /** The score, and what else there is to say. */
  default Judgement judge(AnsweredSample sample) {
    return new Judgement(score(sample), Optional.empty());
  }

  /** What its scores can be. */
  default Scale scale() {
    return Scale.HIT;
  }

  /** A score with the reason for it, where the metric knows one. */
  record Judgement(OptionalDouble score, Optional<Verdict> verdict) {}

  /** What scores can be. */
  enum Scale {
    /** 0 or 1. */
    HIT,
    /** Any number from 0 to 1. */
    GRADE
  }
}
