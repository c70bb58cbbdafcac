package org.sparkfinetune.jobs;

import java.io.PrintWriter;
import java.util.Optional;
import java.util.OptionalLong;
import org.sparkfinetune.jobs.Jobs.OutputForm;
import org.sparkfinetune.jobs.Jobs.PlanRequest;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "plan",
    description = "Says what a training run would take: memory, time, cost. Starts nothing.")
final class PlanCommand implements Runnable {
  private final Jobs jobs;
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private final ConfiguredOptions options = new ConfiguredOptions();

  @Option(
      names = "--gpus",
      paramLabel = "N",
      description =
          "Devices, one rank each, up to 1024. Default: num_ranks of the configuration, or 1.")
  private Optional<Integer> gpus = Optional.empty();

  @Option(
      names = {"--gpu_type", "--gpu-type"},
      paramLabel = "NAME",
      defaultValue = "cpu",
      description =
          "A GPU of conf/gpus.yaml, or cpu: this machine, measured. Default: ${DEFAULT-VALUE}.")
  private String gpuType = "";

  @Option(
      names = {"--gpu_table", "--gpu-table"},
      paramLabel = "FILE.yaml",
      description = "Another table of GPUs, of the form of conf/gpus.yaml.")
  private Optional<String> gpuTable = Optional.empty();

  @Option(
      names = "--shape",
      paramLabel = "NAME|config.json",
      description =
          "Plans for a model that is not here yet: a name that make-model knows, or its"
              + " config.json.")
  private Optional<String> shape = Optional.empty();

  @Option(
      names = "--tokens",
      paramLabel = "N",
      description =
          "Tokens of the training split. Default: estimated from what prepare wrote, if it is"
              + " there.")
  private Optional<Long> tokens = Optional.empty();

  @Option(names = "--json", description = "Prints one JSON document.")
  private boolean json;

  @Mixin private final Help help = new Help();

  PlanCommand(Jobs jobs) {
    this.jobs = jobs;
  }

  @Override
  public void run() {
    PlanRequest request =
        new PlanRequest(
            options.request(),
            gpus,
            gpuType,
            gpuTable,
            shape,
            tokens.map(OptionalLong::of).orElse(OptionalLong.empty()),
            json ? OutputForm.JSON : OutputForm.TEXT);
    PrintWriter out = spec.commandLine().getOut();
    jobs.plan(request).forEach(out::println);
  }
}
