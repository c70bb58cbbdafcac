package org.sparkfinetune.jobs.bench;

import java.nio.file.Path;
import java.util.Optional;
import org.sparkfinetune.bench.ModelMaker;
import org.sparkfinetune.bench.ModelShape;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Random weights of a known shape, to measure with. */
@Command(
    name = "make-model",
    description = "Writes a model with random bf16 weights in Hugging Face layout.",
    footer = {
      "",
      "Named shapes: sample, llama-135m, slice-1b, llama-3-8b, llama-3-70b, qwen3-30b-a3b."
    })
public final class MakeModelCommand implements Runnable {
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

  @Override
  public void run() {
    ModelMaker.write(
        ModelShape.named(shape),
        seed,
        output,
        quantize.isPresent() ? ModelMaker.Storage.NF4 : ModelMaker.Storage.BF16);
  }

  /** A folder of this machine, as a path or as a {@code file:} URI. */
  static final class LocalFolder implements ITypeConverter<Path> {
    @Override
    public Path convert(String words) {
      var uri = new org.apache.hadoop.fs.Path(words).toUri();
      if (uri.getScheme() != null && !uri.getScheme().equals("file")) {
        throw new TypeConversionException(
            "'%s' is not on this machine; allowed is a local folder".formatted(words));
      }
      return Path.of(uri.getPath());
    }
  }
}
