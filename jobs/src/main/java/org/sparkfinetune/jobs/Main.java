package org.sparkfinetune.jobs;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.sparkfinetune.config.KeyTable;
import org.sparkfinetune.jobs.bench.BenchGenerateCommand;
import org.sparkfinetune.jobs.bench.BenchTrainCommand;
import org.sparkfinetune.jobs.bench.MakeModelCommand;
import org.sparkfinetune.jobs.bench.ParityCommand;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The entry point of the jar. Exit codes: 0 done; 1 the run failed; 2 the user has to change
 * something.
 */
@Command(
    name = "spark-finetune",
    description = "Fine-tunes Llama models on Spark.",
    synopsisHeading = "Usage: spark-submit [Spark's options] ",
    customSynopsis = "spark-finetune.jar COMMAND --config FILE.yaml [--key value ...]",
    commandListHeading = "%nCommands (each has --help):%n")
public final class Main {
  @Mixin private final Help help = new Help();

  private Main() {}

  public static void main(String[] args) {
    PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
    PrintWriter err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
    int exitCode = run(args, new PipelineJobs(out), out, err);
    if (exitCode != 0 || isLocal(System.getProperty("spark.master", "local"))) {
      System.exit(exitCode);
    }
  }

  /** Runs one command and returns the exit code; nothing is thrown. */
  static int run(String[] args, Jobs jobs, PrintWriter out, PrintWriter err) {
    try {
      return commandLine(args, jobs, out, err).execute(args);
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

  /** With the command that is asked for; with all, if it is none of them. */
  private static CommandLine commandLine(
      String[] args, Jobs jobs, PrintWriter out, PrintWriter err) {
    Map<String, Supplier<CommandLine>> commands = commands(jobs, out);
    CommandLine main = new CommandLine(new Main());
    if (args.length > 0 && commands.containsKey(args[0])) {
      main.addSubcommand(commands.get(args[0]).get());
    } else {
      commands.values().forEach(command -> main.addSubcommand(command.get()));
    }
    return main.setOut(out)
        .setErr(err)
        .setUsageHelpWidth(Help.WIDTH)
        .setExecutionExceptionHandler((thrown, command, words) -> Failure.report(thrown, err))
        .setParameterExceptionHandler((problem, words) -> explain(problem, err));
  }

  /** By name, in the order of the help. */
  private static Map<String, Supplier<CommandLine>> commands(Jobs jobs, PrintWriter out) {
    Map<String, Supplier<CommandLine>> commands = new LinkedHashMap<>(ConfiguredCommand.all(jobs));
    commands.put("plan", () -> Help.withKeys(new PlanCommand(jobs), KeyTable.TRAIN));
    commands.put(
        "parity",
        () -> withHelp(Help.withKeys(new ParityCommand(PipelineJobs::store), KeyTable.TRAIN)));
    commands.put("render", () -> withHelp(new RenderCommand(PipelineJobs::store)));
    commands.put("why", () -> withHelp(new WhyCommand()));
    commands.put("bench-generate", () -> withHelp(new BenchGenerateCommand(out)));
    commands.put("bench-train", () -> benchTrain(out));
    commands.put("make-model", () -> withHelp(new MakeModelCommand()));
    return commands;
  }

  private static CommandLine benchTrain(PrintWriter out) {
    return withHelp(new BenchTrainCommand(out, Sessions::start))
        .setUnmatchedOptionsArePositionalParams(true);
  }

  /**
   * @param command a command or its line, without an option for help
   */
  private static CommandLine withHelp(Object command) {
    CommandLine line = command instanceof CommandLine made ? made : new CommandLine(command);
    line.getCommandSpec().addMixin("help", CommandSpec.forAnnotatedObject(new Help()));
    return line;
  }

  private static int explain(ParameterException problem, PrintWriter err) {
    String command = problem.getCommandLine().getCommandName();
    err.println(problem.getMessage());
    UnmatchedArgumentException.printSuggestions(problem, err);
    err.println(
        command.equals("spark-finetune")
            ? "Say --help for the commands, COMMAND --help for the options of one."
            : "Say %s --help for its options.".formatted(command));
    err.flush();
    return Failure.USER_MUST_ACT;
  }
}
