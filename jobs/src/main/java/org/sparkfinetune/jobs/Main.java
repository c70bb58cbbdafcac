package org.sparkfinetune.jobs;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The entry point of the jar. Exit codes: 0 done; 1 the run failed; 2 the user has to change
 * something.
 */
@Command(
    name = "spark-finetune",
    description = "Fine-tunes Llama models on Spark.",
    synopsisHeading = "Usage: spark-submit [Spark's options] jobs/target/",
    customSynopsis = "spark-finetune.jar COMMAND --config FILE.yaml [--key value ...]",
    commandListHeading = "%nCommands (each has --help):%n",
    mixinStandardHelpOptions = true)
public final class Main {
  private Main() {}

  public static void main(String[] args) {
    int exitCode = run(args, new PipelineJobs(), standardError());
    if (exitCode != 0 || isLocal(System.getProperty("spark.master", "local"))) {
      System.exit(exitCode);
    }
  }

  /** Runs one command; nothing is thrown. */
  static int run(String[] args, Jobs jobs, PrintWriter err) {
    try {
      return commandLine(jobs, err).execute(args);
    } catch (Throwable fatal) {
      return Failure.report(fatal, err);
    }
  }

  /**
   * Spark leaves a thread behind after a barrier job in a local master, so the JVM has to be ended.
   * Elsewhere success is reported by returning: a cluster takes an early exit for a failure.
   */
  static boolean isLocal(String master) {
    return master.startsWith("local");
  }

  private static CommandLine commandLine(Jobs jobs, PrintWriter err) {
    IExecutionExceptionHandler onFailure = (thrown, command, parsed) -> Failure.report(thrown, err);
    return new CommandLine(new Main())
        .addSubcommand(new PrepareCommand(jobs))
        .addSubcommand(new TrainCommand(jobs))
        .addSubcommand(new MakeSampleCommand())
        .addSubcommand(new MakeModelCommand())
        .setErr(err)
        .setExecutionExceptionHandler(onFailure)
        .setParameterExceptionHandler((problem, words) -> explain(problem, err));
  }

  private static int explain(ParameterException problem, PrintWriter err) {
    String command = problem.getCommandLine().getCommandName();
    err.println(problem.getMessage());
    UnmatchedArgumentException.printSuggestions(problem, err);
    err.println(
        command.equals("spark-finetune")
            ? "Say COMMAND --help for a command's options, --help for the commands."
            : "Say %s --help for its options.".formatted(command));
    err.flush();
    return Failure.USER_MUST_ACT;
  }

  private static PrintWriter standardError() {
    return new PrintWriter(System.err, true, StandardCharsets.UTF_8);
  }
}
