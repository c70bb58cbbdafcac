package org.sparkfinetune.config;

/** {@code resume_from_checkpoint}. */
public sealed interface ResumeFrom {

  /** The newest complete checkpoint of the run folder, if there is one. */
  record Auto() implements ResumeFrom {}

  /** From the beginning. */
  record Never() implements ResumeFrom {}

  /** One checkpoint, named by its Hadoop URI. */
  record Path(String uri) implements ResumeFrom {}
}
