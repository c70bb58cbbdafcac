package org.sparkfinetune.jobs;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "generate",
    description = {
      "Writes text with a model and its adapter: for one prompt or conversation, at the terminal,"
          + " or",
      "for every row of a file on all executors.",
      "",
      "  generate --model_id MODEL --adapter RUN/adapter --messages 'How many heads are there?'",
      "  generate --model_id MODEL --adapter RUN/adapter --chat",
      "  generate --model_id MODEL --adapter RUN/adapter --input data/test --output answers"
    })
final class GenerateCommand implements Runnable {
  private final Jobs jobs;
  @Mixin private final ConfiguredOptions options = new ConfiguredOptions();
  @Mixin private final Help help = new Help();

  @Option(names = "--json", description = "Prints the result as one JSON document.")
  private boolean json;

  GenerateCommand(Jobs jobs) {
    this.jobs = jobs;
  }

  @Override
  public void run() {
    jobs.generate(options.request(), json ? OutputForm.JSON : OutputForm.TEXT);
  }
}
