package org.sparkfinetune.jobs;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** What the configured commands call; tests put a fake in its place. */
interface Jobs {
  void prepare(Request request);

  void train(Request request);

  void generate(Request request, OutputForm form);

  void evaluate(Request request, OutputForm form);

  void merge(Request request);

  /** The lines to print. */
  List<String> plan(PlanRequest request);

  Checked check(Request request, OutputForm output);

  /** Returns what became of the samples, as one line of JSON. */
  String tokenize(Request request);

  /**
   * What a user asked a configured command to do.
   *
   * @param configFile the YAML file, any path that Hadoop reads
   * @param arguments the rest of the command line, for the configuration to read
   */
  record Request(Optional<String> configFile, List<String> arguments) {}

  /**
   * What is to be planned.
   *
   * @param gpus devices; without it the configuration's ranks
   * @param gpuTable a table instead of the shipped one
   * @param shape a model's shape instead of the configuration's model
   * @param tokens of the training split, if known
   */
  record PlanRequest(
      Request configured,
      Optional<Integer> gpus,
      String gpuType,
      Optional<String> gpuTable,
      Optional<String> shape,
      OptionalLong tokens,
      OutputForm output) {}

  /** What {@code check} prints, and whether the user has to act. */
  record Checked(List<String> lines, Outcome outcome) {
    enum Outcome {
      CAN_TRAIN,
      MUST_CHANGE
    }
  }

  /** How a result is printed. */
  enum OutputForm {
    TEXT,
    JSON
  }
}
