package org.sparkfinetune.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.testing.SparkSessions;

/** A process that prepares is killed, really, at ten points from its first change to its last. */
final class KilledPrepareClusterTest {
  private static final int POINTS = 10;
  private static final int ROWS = 30;
  @TempDir private Path folder;

  /** The process: prepares with a disk that stops at a change. */
  public static final class Main {
    private Main() {}

    public static void main(String[] args) {
      int changes = run(args[0], args[1]);
      System.out.println("done after " + changes);
    }
  }

  private static int run(String input, String output) {
    SparkSession spark =
        SparkSession.builder()
            .master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.sql.shuffle.partitions", "2")
            // Compiling code would be most of the life of a process that short.
            .config("spark.sql.codegen.wholeStage", "false")
            .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
            .config("spark.hadoop.fs.file.impl", StoppingFileSystem.class.getName())
            .config("spark.hadoop.fs.file.impl.disable.cache", "true")
            .getOrCreate();
    int before = StoppingFileSystem.changes();
    new Prepare(
            spark, Configs.to(Path.of("unused")).input(input).at(output).maxRejected(1).config())
        .run();
    return StoppingFileSystem.changes() - before;
  }

  @Test
  void whatever_is_left_is_no_output_or_all_of_it() throws Exception {
    List<String> lines = new ArrayList<>(Rows.sqlLines(ROWS));
    lines.add("not json");
    String input = Rows.write(folder.resolve("in/rows.jsonl"), lines);
    int changes = changesOfAWholeRun(input);
    assertThat(changes).isGreaterThanOrEqualTo(POINTS);
    List<Integer> points = new ArrayList<>();
    for (int i = 0; i < POINTS; i++) {
      points.add(Math.round(i * (changes - 1f) / (POINTS - 1)));
    }
    // Two at a time: a process that short is mostly a JVM and a Spark that start.
    ExecutorService pair = Executors.newFixedThreadPool(2);
    try {
      List<Callable<Void>> kills = new ArrayList<>();
      points.forEach(point -> kills.add(() -> kill(input, folder.resolve("out" + point), point)));
      for (Future<Void> kill : pair.invokeAll(kills)) {
        kill.get();
      }
    } finally {
      pair.shutdownNow();
    }
    // The next process is not disturbed by what the dead one left beside it.
    Path last = folder.resolve("out" + points.get(POINTS - 1));
    new Prepare(SparkSessions.shared(), Configs.to(last).input(input).maxRejected(1).config())
        .run();
    assertThat(rowsOf(last)).isEqualTo(ROWS);
  }

  private int changesOfAWholeRun(String input) throws Exception {
    Process process = process(input, folder.resolve("whole"), Integer.MAX_VALUE);
    try (BufferedReader lines = process.inputReader()) {
      String last = lines.lines().filter(line -> line.startsWith("done")).findFirst().orElse("");
      assertThat(process.waitFor()).isZero();
      assertThat(rowsOf(folder.resolve("whole"))).isEqualTo(ROWS);
      return Integer.parseInt(last.substring("done after ".length()));
    } finally {
      process.destroyForcibly();
    }
  }

  private static Void kill(String input, Path output, int point) throws Exception {
    Process process = process(input, output, point);
    try (BufferedReader lines = process.inputReader()) {
      String line = lines.lines().filter(StoppingFileSystem.HERE::equals).findFirst().orElse("");
      assertThat(line).isEqualTo(StoppingFileSystem.HERE);
    } finally {
      // SIGKILL: nothing of that process runs any more.
      assertThat(process.destroyForcibly().waitFor()).isEqualTo(128 + 9);
    }
    assertThat(output).as("killed before change %d", point).doesNotExist();
    return null;
  }

  private static Process process(String input, Path output, int stopAt) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(System.getProperty("test.jvm.arguments", "").split(" ")));
    command.addAll(
        List.of(
            "-Xmx512m",
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Dstop.at.change=" + stopAt,
            "-cp",
            System.getProperty("java.class.path"),
            Main.class.getName(),
            input,
            output.toUri().toString()));
    return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
  }

  private static long rowsOf(Path out) throws IOException {
    Path manifest = out.resolve(OutputFolder.MANIFEST);
    for (JsonNode file : new ObjectMapper().readTree(manifest.toFile()).get("files")) {
      assertThat(out.resolve(file.get("path").asText())).hasSize(file.get("bytes").asLong());
    }
    return (long) Files.readAllLines(out.resolve("train_dataset.json")).size()
        + Files.readAllLines(out.resolve("test_dataset.json")).size();
  }
}
