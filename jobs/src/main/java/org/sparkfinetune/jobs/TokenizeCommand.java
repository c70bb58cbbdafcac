package org.sparkfinetune.jobs;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
    name = "tokenize",
    description = {
      "Tokenises and packs a prepared data set where train with the same configuration finds it,",
      "on any cluster, and prints what became of every sample as JSON."
    })
final class TokenizeCommand implements Runnable {
  private final Jobs jobs;
  @Mixin private final ConfiguredOptions options = new ConfiguredOptions();
  @Mixin private final Help help = new Help();
  @Spec private CommandSpec spec = CommandSpec.create();

  TokenizeCommand(Jobs jobs) {
    this.jobs = jobs;
  }

  @Override
  public void run() {
    spec.commandLine().getOut().println(jobs.tokenize(options.request()));
  }
}
