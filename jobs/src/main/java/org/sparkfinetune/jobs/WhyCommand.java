package org.sparkfinetune.jobs;

import java.io.PrintWriter;
import java.util.List;
import java.util.Optional;
import org.apache.spark.sql.SparkSession;
import org.sparkfinetune.spark.why.Why;
import org.sparkfinetune.spark.why.WhyAnswer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Where a conversation is from, and who trained on it. */
@Command(
    name = "why",
    description = {
      "Says which source, file or table and row a conversation of a prepared data set is from, and"
          + " with",
      "--runs which runs were trained on it.",
      "",
      "  why 3f0c5d1e2a4b6c8d0e1f --dataset_path data/sql --runs runs"
    })
final class WhyCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Parameters(
      paramLabel = "ID",
      description = "Of the column id; without -2, -3… behind it all copies are meant.")
  private String id = "";

  @Option(
      names = {"--dataset_path", "--dataset-path"},
      required = true,
      paramLabel = "FOLDER",
      description = "What prepare wrote.")
  private String dataset = "";

  @Option(
      names = "--runs",
      paramLabel = "FOLDER",
      description = "A run folder, or a folder that holds runs.")
  private Optional<String> runs = Optional.empty();

  @Option(names = "--json", description = "Prints one JSON document.")
  private boolean json = false;

  @Override
  public void run() {
    SparkSession spark = Sessions.start("why");
    try {
      WhyAnswer answer = new Why(spark, dataset).ask(id, runs);
      PrintWriter out = spec.commandLine().getOut();
      (json ? List.of(answer.json()) : answer.lines()).forEach(out::println);
    } finally {
      spark.stop();
    }
  }
}
