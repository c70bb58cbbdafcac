package org.sparkfinetune.jobs;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "evaluate",
    description = {
      "Measures a model on the test split: loss, equal texts, and (text-to-SQL) equal results of",
      "running expected and generated query in SQLite. The base model is measured beside it.",
      "",
      "  evaluate --model_id MODEL --adapter RUN/adapter --dataset_path data --num_samples 200"
    })
final class EvaluateCommand implements Runnable {
  private final Jobs jobs;
  @Mixin private final ConfiguredOptions options = new ConfiguredOptions();
  @Mixin private final Help help = new Help();

  @Option(names = "--json", description = "Prints evaluation.json instead of a summary.")
  private boolean json;

  EvaluateCommand(Jobs jobs) {
    this.jobs = jobs;
  }

  @Override
  public void run() {
    jobs.evaluate(options.request(), json ? OutputForm.JSON : OutputForm.TEXT);
  }
}
