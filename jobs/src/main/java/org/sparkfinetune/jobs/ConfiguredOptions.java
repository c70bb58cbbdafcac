package org.sparkfinetune.jobs;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;
import picocli.CommandLine.Unmatched;

/** The options of every command that is driven by a YAML file. */
final class ConfiguredOptions {
  @Option(
      names = "--config",
      paramLabel = "FILE.yaml",
      description = "The configuration: a local file or any path that Hadoop reads.")
  private Optional<String> config = Optional.empty();

  @Unmatched private final List<String> others = new ArrayList<>();

  Request request() {
    return Request.of(config, others);
  }
}
