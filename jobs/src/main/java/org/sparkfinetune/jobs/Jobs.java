package org.sparkfinetune.jobs;

/** What the configured commands call; tests put a fake in its place. */
interface Jobs {
  void prepare(Request request);

  void train(Request request);

  void generate(Request request, OutputForm form);

  void evaluate(Request request, OutputForm form);

  void merge(Request request);
}
