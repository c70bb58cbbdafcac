package org.sparkfinetune.jobs;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "merge",
    description = {
      "Makes one model of a base model and its adapter, in Hugging Face's layout or as GGUF for",
      "llama.cpp. Runs in this process, in the memory of a piece of one weight.",
      "",
      "base: an adapter trained with qlora fits the dequantized base, which is then the default:",
      "merged into the 16-bit weights it would also add the error of NF4 that it learnt to undo",
      "(figures: jobs/docs/after-training.md). Without a run folder beside the adapter: 16bit.",
      "",
      "  merge --model_id MODEL --adapter RUN/adapter --output merged",
      "  merge --model_id MODEL --adapter RUN/adapter --output model.gguf --format gguf-q8_0"
    })
final class MergeCommand implements Runnable {
  private final Jobs jobs;
  @Mixin private final ConfiguredOptions options = new ConfiguredOptions();
  @Mixin private final Help help = new Help();

  MergeCommand(Jobs jobs) {
    this.jobs = jobs;
  }

  @Override
  public void run() {
    jobs.merge(options.request());
  }
}
