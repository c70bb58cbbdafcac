package org.sparkfinetune.jobs;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.sparkfinetune.jobs.Jobs.Request;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The options of every command that is driven by a YAML file. */
final class ConfiguredOptions {
  @Option(
      names = "--config",
      paramLabel = "FILE.yaml",
      description = "The configuration: a local file or any path that Hadoop reads.")
  private Optional<String> config = Optional.empty();

  @Parameters(
      paramLabel = "--KEY VALUE",
      arity = "0..*",
      description = "Keys of the configuration, see below.")
  private final List<String> others = new ArrayList<>();

  Request request() {
    return new Request(config, List.copyOf(others));
  }
}
