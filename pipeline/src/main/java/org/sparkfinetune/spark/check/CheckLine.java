package org.sparkfinetune.spark.check;

import java.util.Optional;

/**
 * One thing that was looked at before a run.
 *
 * @param subject a word: configuration, model, data, …
 * @param what was found
 * @param advice what to do, where there is something
 */
public record CheckLine(String subject, Verdict verdict, String what, Optional<String> advice) {

  /** How it stands. */
  public enum Verdict {
    PASSED,
    /** It will run, but perhaps not as meant. */
    WARNED,
    /** Training would not start, or would fail. */
    FAILED
  }

  static CheckLine passed(String subject, String what) {
    return new CheckLine(subject, Verdict.PASSED, what, Optional.empty());
  }

  static CheckLine warned(String subject, String what, String advice) {
    return new CheckLine(subject, Verdict.WARNED, what, Optional.of(advice));
  }

  static CheckLine failed(String subject, String what, String advice) {
    return new CheckLine(subject, Verdict.FAILED, what, Optional.of(advice));
  }

  /** A message of ours says itself what to do. */
  static CheckLine failed(String subject, RuntimeException thrown) {
    return new CheckLine(
        subject, Verdict.FAILED, String.valueOf(thrown.getMessage()), Optional.empty());
  }
}
