package org.sparkfinetune.jobs;

import java.nio.file.Path;
import java.util.Optional;
import org.sparkfinetune.sample.ModelMaker;
import org.sparkfinetune.sample.ModelShape;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "make-model",
    description = "Writes a Llama with random bf16 weights in Hugging Face layout.",
    footer = {"", "Named shapes: sample, llama-135m, slice-1b, llama-3-8b, llama-3-70b."})
final class MakeModelCommand implements Runnable {
  @Option(
      names = "--shape",
      required = true,
      paramLabel = "NAME|config.json",
      description = "A named shape, or a model's config.json.")
  private String shape = "";

  @Option(
      names = "--output",
      required = true,
      paramLabel = "FOLDER",
      converter = LocalFolder.class,
      description = "A local folder that does not exist yet or is empty.")
  private Path output = Path.of("");

  @Option(
      names = "--seed",
      defaultValue = "42",
      description = "Equal seeds give equal files. Default: ${DEFAULT-VALUE}.")
  private long seed;

  @Option(
      names = "--quantize",
      paramLabel = "nf4",
      description = "Store the linears of layers as bitsandbytes does: nf4. Default: bf16.")
  private Optional<Quantize> quantize = Optional.empty();

  /** What {@code --quantize} may be. */
  enum Quantize {
    nf4
  }

  @Mixin private final Help help = new Help();

  @Override
  public void run() {
    ModelMaker.write(
        ModelShape.named(shape),
        seed,
        output,
        quantize.isPresent() ? ModelMaker.Storage.NF4 : ModelMaker.Storage.BF16);
  }
}
