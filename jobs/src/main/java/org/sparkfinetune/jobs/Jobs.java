package org.sparkfinetune.jobs;

/** What the configured commands call; tests put a fake in its place. */
interface Jobs {
  void prepare(Request request);

  void train(Request request);

  /** Returns what became of the samples, as one line of JSON. */
  String tokenize(Request request);
}
