package org.sparkfinetune.jobs;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "prepare",
    description = "Turns raw data into conversations, split for training and testing.",
    footer = {
      "",
      "Every key of the YAML file can be given as --key value, which wins over the file:",
      "  --dataset NAME --input PATH --output FOLDER",
      "conf/prepare/ has a commented file for each purpose."
    },
    mixinStandardHelpOptions = true)
final class PrepareCommand implements Runnable {
  private final Jobs jobs;
  @Mixin private final ConfiguredOptions options = new ConfiguredOptions();

  PrepareCommand(Jobs jobs) {
    this.jobs = jobs;
  }

  @Override
  public void run() {
    jobs.prepare(options.request());
  }
}
