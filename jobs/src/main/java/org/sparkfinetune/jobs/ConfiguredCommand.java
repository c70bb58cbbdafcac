package org.sparkfinetune.jobs;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import org.sparkfinetune.config.KeyTable;
import org.sparkfinetune.jobs.Jobs.OutputForm;
import org.sparkfinetune.jobs.Jobs.Request;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Spec;

/** The commands that are nothing but a configuration and a call of {@link Jobs}. */
@Command
final class ConfiguredCommand implements Callable<Integer> {

  private interface Action {
    /** Returns the exit code. */
    int run(Request request, OutputForm form, PrintWriter out);
  }

  private final Action action;
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private final ConfiguredOptions options = new ConfiguredOptions();
  @Mixin private final Help help = new Help();

  private ConfiguredCommand(Action action) {
    this.action = action;
  }

  /** By name, in the order of the help. A start makes one of them: each reads its own keys. */
  static Map<String, Supplier<CommandLine>> all(Jobs jobs) {
    Map<String, Supplier<CommandLine>> all = new LinkedHashMap<>();
    all.put("prepare", () -> prepare(jobs));
    all.put("train", () -> train(jobs));
    all.put("generate", () -> generate(jobs));
    all.put("evaluate", () -> evaluate(jobs));
    all.put("merge", () -> merge(jobs));
    all.put("check", () -> check(jobs));
    all.put("tokenize", () -> tokenize(jobs));
    return all;
  }

  private static CommandLine prepare(Jobs jobs) {
    return command(
        "prepare",
        KeyTable.PREPARE,
        done((request, form) -> jobs.prepare(request)),
        "Turns raw data into conversations, split for training and testing.");
  }

  private static CommandLine train(Jobs jobs) {
    return command(
        "train",
        KeyTable.TRAIN,
        done((request, form) -> jobs.train(request)),
        "Fine-tunes a model, one rank on each executor.");
  }

  private static CommandLine generate(Jobs jobs) {
    return withJson(
        "Prints the result as one JSON document.",
        command(
            "generate",
            KeyTable.GENERATE,
            done(jobs::generate),
            "Writes text with a model and its adapter: for one prompt or conversation, at the",
            "terminal, or for every row of a file on all executors.",
            "",
            "  generate --model_id MODEL --adapter RUN/adapter --messages 'How many heads?'",
            "  generate --model_id MODEL --adapter RUN/adapter --chat",
            "  generate --model_id MODEL --adapter RUN/adapter --input data/test --output out"));
  }

  private static CommandLine evaluate(Jobs jobs) {
    return withJson(
        "Prints evaluation.json instead of a summary.",
        command(
            "evaluate",
            KeyTable.EVALUATE,
            done(jobs::evaluate),
            "Measures a model on the test split: loss, equal texts, and (text-to-SQL) equal"
                + " results",
            "of running expected and generated query in SQLite; by metrics also numbers, JSON, tool",
            "calls, what a regular expression finds, ROUGE-L and chrF. The base model, or several",
            "adapters, are measured beside it, with paired differences and their intervals.",
            "",
            "  evaluate --model_id MODEL --adapter RUN-A/adapter,RUN-B/adapter --dataset_path data",
            "  evaluate --model_id MODEL --adapter RUN/adapter --dataset_path data"));
  }

  private static CommandLine merge(Jobs jobs) {
    return command(
        "merge",
        KeyTable.MERGE,
        done((request, form) -> jobs.merge(request)),
        "Makes one model of a base model and its adapter, in Hugging Face's layout or as GGUF for",
        "llama.cpp. Runs in this process, in the memory of a piece of one weight.",
        "",
        "base: an adapter trained with qlora fits the dequantized base, which is then the default:",
        "merged into the 16-bit weights it would also add the error of NF4 that it learnt to undo",
        "(figures: jobs/docs/after-training.md). Without a run folder beside the adapter: 16bit.",
        "",
        "  merge --model_id MODEL --adapter RUN/adapter --output merged",
        "  merge --model_id MODEL --adapter RUN/adapter --output model.gguf --format gguf-q8_0",
        "  merge --model_id MODEL --adapter RUN/adapter --output merged --push_to OWNER/NAME");
  }

  private static CommandLine check(Jobs jobs) {
    return withJson(
        "Prints one JSON document.",
        command(
            "check",
            KeyTable.TRAIN,
            (request, form, out) -> {
              Jobs.Checked checked = jobs.check(request, form);
              checked.lines().forEach(out::println);
              return switch (checked.outcome()) {
                case CAN_TRAIN -> 0;
                case MUST_CHANGE -> Failure.USER_MUST_ACT;
              };
            },
            "Looks at all of a training run that can be known before it. Writes nothing."));
  }

  private static CommandLine tokenize(Jobs jobs) {
    return command(
        "tokenize",
        KeyTable.TRAIN,
        (request, form, out) -> {
          out.println(jobs.tokenize(request));
          return 0;
        },
        "Tokenises and packs a prepared data set where train with the same configuration finds it,",
        "on any cluster, and prints what became of every sample as JSON.");
  }

  private static CommandLine command(
      String name, KeyTable keys, Action action, String... description) {
    CommandLine line = Help.withKeys(new ConfiguredCommand(action), keys);
    line.getCommandSpec().name(name).usageMessage().description(description);
    return line;
  }

  private static Action done(BiConsumer<Request, OutputForm> action) {
    return (request, form, out) -> {
      action.accept(request, form);
      return 0;
    };
  }

  private static CommandLine withJson(String description, CommandLine line) {
    line.getCommandSpec()
        .addOption(
            OptionSpec.builder("--json").type(boolean.class).description(description).build());
    return line;
  }

  @Override
  public Integer call() {
    CommandLine line = spec.commandLine();
    boolean json = line.getParseResult().hasMatchedOption("--json");
    return action.run(options.request(), json ? OutputForm.JSON : OutputForm.TEXT, line.getOut());
  }
}
