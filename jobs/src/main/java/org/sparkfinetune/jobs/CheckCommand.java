package org.sparkfinetune.jobs;

import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "check",
    description =
        "Looks at everything about a training run that can be known before it. Writes nothing.")
final class CheckCommand implements Callable<Integer> {
  private final Jobs jobs;
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private final ConfiguredOptions options = new ConfiguredOptions();

  @Option(names = "--json", description = "Prints one JSON document.")
  private boolean json;

  @Mixin private final Help help = new Help();

  CheckCommand(Jobs jobs) {
    this.jobs = jobs;
  }

  @Override
  public Integer call() {
    Checked checked = jobs.check(options.request(), json ? OutputForm.JSON : OutputForm.TEXT);
    PrintWriter out = spec.commandLine().getOut();
    checked.lines().forEach(out::println);
    return switch (checked.outcome()) {
      case CAN_TRAIN -> 0;
      case MUST_CHANGE -> Failure.USER_MUST_ACT;
    };
  }
}
