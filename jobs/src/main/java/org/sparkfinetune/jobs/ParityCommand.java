package org.sparkfinetune.jobs;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "parity",
    description = {
      "Trains some steps as train does, in this process and without Spark, so that another"
          + " program's numbers can be laid beside: dataset_path is packed rows (a safetensors"
          + " file, or the folder that provenance.json calls tokenized_path), taken in their order;"
          + " there is no dropout. Writes losses.json and the adapter (or model) into output_dir."
    })
final class ParityCommand implements Runnable {
  private final Jobs jobs;
  @Mixin private final ConfiguredOptions options = new ConfiguredOptions();
  @Mixin private final Help help = new Help();

  ParityCommand(Jobs jobs) {
    this.jobs = jobs;
  }

  @Override
  public void run() {
    jobs.parity(options.request());
  }
}
