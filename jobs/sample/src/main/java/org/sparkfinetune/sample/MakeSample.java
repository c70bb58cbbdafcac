package org.sparkfinetune.sample;

import java.nio.file.Path;
import java.util.Optional;
import org.sparkfinetune.errors.UserError;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Behind {@code jobs/bin/make-sample}. Exit codes: 0 done; 2 the user has to change something. */
@Command(
    name = "make-sample",
    description = "Writes the shipped sample again, its model untrained: rows, tokenizer, Llama.")
public final class MakeSample implements Runnable {
  private static final int USER_MUST_ACT = 2;

  @Option(
      names = "--output",
      required = true,
      paramLabel = "FOLDER",
      description = "A local folder; files of the sample in it are replaced.")
  private Path output = Path.of("");

  @Option(
      names = "--pretraining",
      paramLabel = "FOLDER",
      description = "Also write the rows that the shipped model was trained on: train and test.")
  private Optional<Path> pretraining = Optional.empty();

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Shows this and does nothing.")
  private boolean help;

  private MakeSample() {}

  public static void main(String[] args) {
    System.exit(
        new CommandLine(new MakeSample())
            .setExecutionExceptionHandler(
                (thrown, command, words) -> {
                  if (thrown instanceof UserError) {
                    command.getErr().println(thrown.getMessage());
                    return USER_MUST_ACT;
                  }
                  throw thrown;
                })
            .execute(args));
  }

  @Override
  public void run() {
    SampleMaker.write(output);
    pretraining.ifPresent(SampleMaker::writePretraining);
  }
}
