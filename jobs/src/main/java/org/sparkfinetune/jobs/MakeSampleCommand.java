package org.sparkfinetune.jobs;

import java.nio.file.Path;
import java.util.Optional;
import org.sparkfinetune.sample.SampleMaker;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "make-sample",
    description = "Writes the shipped sample again, its model untrained: rows, tokenizer, Llama.")
final class MakeSampleCommand implements Runnable {
  @Option(
      names = "--output",
      required = true,
      paramLabel = "FOLDER",
      converter = LocalFolder.class,
      description = "A local folder; files of the sample in it are replaced.")
  private Path output = Path.of("");

  @Option(
      names = "--pretraining",
      paramLabel = "FOLDER",
      converter = LocalFolder.class,
      description = "Also write the rows that the shipped model was trained on: train and test.")
  private Optional<Path> pretraining = Optional.empty();

  @Mixin private final Help help = new Help();

  @Override
  public void run() {
    SampleMaker.write(output);
    pretraining.ifPresent(SampleMaker::writePretraining);
  }
}
