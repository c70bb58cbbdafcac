package org.sparkfinetune.spark.train;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.apache.spark.api.java.JavaSparkContext;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.ChildJvm;

/** A driver in a process of its own, where it may die or have a network of its own. */
final class FaultDriver implements AutoCloseable {
  private static final long MINUTES = 5;

  private final Process process;
  private final Optional<OwnNetwork> network;
  private final Path log;

  private FaultDriver(Process process, Optional<OwnNetwork> network, Path log) {
    this.process = process;
    this.network = network;
    this.log = log;
  }

  /** Starts to train in {@code run}. */
  static FaultDriver start(Path folder, Path run, FaultCase fault)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    Optional<OwnNetwork> network =
        fault.place() == FaultCase.Place.OWN_NETWORK
            ? Optional.of(OwnNetwork.open())
            : Optional.empty();
    network.ifPresent(own -> command.addAll(own.entering()));
    List<String> options = new ArrayList<>(ChildJvm.sparkOptions());
    options.addAll(ChildJvm.SHORT_LIVED);
    options.add("-Xmx768m");
    command.addAll(ChildJvm.command(options, FaultDriver.class, folder.toString(), run.toString()));
    command.addAll(fault.keys(run));
    File log = folder.resolve("driver.log").toFile();
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log).start();
    return new FaultDriver(process, network, log.toPath());
  }

  /** Trains; the words of {@link #start}. */
  public static void main(String[] words) throws IOException {
    Path folder = Path.of(words[0]);
    SampleRun sample = new SampleRun(folder);
    try (JavaSparkContext spark =
        Contexts.twoExecutors(
            1, settings(folder, folder.resolve("shards"), folder.resolve("scratch")))) {
      String[] keys = List.of(words).subList(2, words.length).toArray(String[]::new);
      sample.train(spark, new Store(spark.hadoopConfiguration()), Path.of(words[1]), keys);
    }
  }

  /** Executors that look for faults, and time-outs that a test can wait for. */
  static Map<String, String> settings(Path folder, Path shards, Path scratch) {
    return Map.ofEntries(
        Map.entry("spark.plugins", FaultPlugin.class.getName()),
        Map.entry(FaultPlugin.FOLDER, folder.toString()),
        Map.entry("spark.executorEnv.SPARK_FINETUNE_SHARDS", shards.toString()),
        Map.entry("spark.local.dir", scratch.toString()),
        Map.entry("spark.network.timeout", "20s"),
        Map.entry("spark.network.timeoutInterval", "5s"),
        Map.entry("spark.executor.heartbeatInterval", "2s"),
        Map.entry("spark.deploy.maxExecutorRetries", "-1"),
        Map.entry("spark.hadoop.fs.away.impl", AwayFileSystem.class.getName()),
        Map.entry("spark.hadoop." + AwayFileSystem.MARKER, awayMarker(folder).toString()));
  }

  static Path awayMarker(Path folder) {
    return folder.resolve("store-is-away");
  }

  long pid() {
    return process.pid();
  }

  int exitCode() throws InterruptedException, IOException {
    if (!process.waitFor(MINUTES, TimeUnit.MINUTES)) {
      throw new AssertionError("The driver is not done after 5 minutes:\n" + output());
    }
    return process.exitValue();
  }

  String output() throws IOException {
    List<String> lines =
        Files.readAllLines(log).stream().filter(line -> !line.startsWith("\tat ")).toList();
    return String.join("\n", lines.subList(Math.max(0, lines.size() - 40), lines.size()));
  }

  @Override
  public void close() throws IOException, InterruptedException {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly().waitFor();
    if (network.isPresent()) {
      network.get().close();
    }
  }
}
