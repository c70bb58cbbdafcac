package org.sparkfinetune.jobs;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "prepare",
    description = "Turns raw data into conversations, split for training and testing.")
final class PrepareCommand implements Runnable {
  private final Jobs jobs;
  @Mixin private final ConfiguredOptions options = new ConfiguredOptions();
  @Mixin private final Help help = new Help();

  PrepareCommand(Jobs jobs) {
    this.jobs = jobs;
  }

  @Override
  public void run() {
    jobs.prepare(options.request());
  }
}
