package org.sparkfinetune.jobs;

import java.nio.file.Path;
import org.sparkfinetune.sample.SampleMaker;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "make-sample",
    description = "Writes the shipped sample again: text-to-SQL rows, a tokenizer, a small model.")
final class MakeSampleCommand implements Runnable {
  @Option(
      names = "--output",
      required = true,
      paramLabel = "FOLDER",
      description = "A local folder; files of the sample in it are replaced.")
  private Path output = Path.of("");

  @Mixin private final Help help = new Help();

  @Override
  public void run() {
    SampleMaker.write(output);
  }
}
