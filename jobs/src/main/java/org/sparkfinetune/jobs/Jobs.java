package org.sparkfinetune.jobs;

import java.util.List;

/** What the configured commands call; tests put a fake in its place. */
interface Jobs {
  void prepare(Request request);

  void train(Request request);

  void generate(Request request, OutputForm form);

  void evaluate(Request request, OutputForm form);

  void merge(Request request);

  /** The lines to print. */
  List<String> plan(PlanRequest request);

  Checked check(Request request, OutputForm output);

  /** Returns what became of the samples, as one line of JSON. */
  String tokenize(Request request);
}
