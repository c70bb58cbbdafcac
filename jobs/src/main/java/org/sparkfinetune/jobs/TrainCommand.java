package org.sparkfinetune.jobs;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "train",
    description = "Fine-tunes a Llama model, one rank on each executor.",
    footer = {
      "",
      "Every key of the YAML file can be given as --key value, which wins over the file:",
      "  --model_id MODEL --dataset_path FOLDER --output_dir FOLDER",
      "conf/train/ has a commented file for each purpose."
    },
    mixinStandardHelpOptions = true)
final class TrainCommand implements Runnable {
  private final Jobs jobs;
  @Mixin private final ConfiguredOptions options = new ConfiguredOptions();

  TrainCommand(Jobs jobs) {
    this.jobs = jobs;
  }

  @Override
  public void run() {
    jobs.train(options.request());
  }
}
