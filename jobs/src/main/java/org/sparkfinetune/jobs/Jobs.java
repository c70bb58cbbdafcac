package org.sparkfinetune.jobs;

/** What the configured commands call; tests put a fake in its place. */
interface Jobs {
  void prepare(Request request);

  void train(Request request);

  void parity(Request request);
}
