package org.sparkfinetune.spark.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.spark.dataset.DatasetManifest;
import org.sparkfinetune.testing.ChildJvm;
import org.sparkfinetune.testing.SparkSessions;

/**
 * A process that prepares is killed, really, at ten points from a job's first change to its last.
 * It runs ten jobs, each stopped at a change of its own, so that one kill is the kill of all: a
 * process that short is mostly a JVM and a Spark that start.
 */
final class KilledPrepareClusterTest {
  private static final int POINTS = 10;
  private static final int ROWS = 30;
  private static final String NEVER = "stops-at-" + Integer.MAX_VALUE;
  @TempDir private Path folder;

  /** The process. Leaves the number of changes of a whole job in a file for who watches. */
  public static final class Main {
    private static final String CHANGES = "changes";

    private Main() {}

    public static void main(String[] args) throws IOException, InterruptedException {
      SparkSession spark = session();
      prepare(spark, args[0], args[1], NEVER);
      int changes = StoppingFileSystem.changes(NEVER);
      Path told = Path.of(System.getProperty(StoppingFileSystem.TOLD));
      Files.writeString(told.resolve(CHANGES), Integer.toString(changes));
      List<Thread> jobs = new ArrayList<>();
      for (int i = 0; i < POINTS; i++) {
        String output = name(i, changes);
        jobs.add(new Thread(() -> prepare(spark, args[0], args[1], output)));
      }
      jobs.forEach(Thread::start);
      for (Thread job : jobs) {
        job.join();
      }
    }

    /** Of the output of the ith job, which says where it stops. */
    private static String name(int i, int changes) {
      return "stops-at-" + Math.round(i * (changes - 1f) / (POINTS - 1));
    }

    private static SparkSession session() {
      return SparkSession.builder()
          // A stopped job may hold two tasks for ever, and the others need some as well.
          .master("local[%d]".formatted(2 * POINTS + 2))
          .config("spark.ui.enabled", "false")
          .config("spark.driver.host", "127.0.0.1")
          .config("spark.driver.bindAddress", "127.0.0.1")
          .config("spark.sql.shuffle.partitions", "2")
          .config("spark.hadoop.fs.file.impl", StoppingFileSystem.class.getName())
          .getOrCreate();
    }

    private static void prepare(SparkSession spark, String input, String folder, String output) {
      Configs configs = Configs.to(Path.of(folder, output)).input(input).maxRejected(1);
      new Prepare(spark, configs.config()).run();
    }
  }

  @Test
  void whatever_is_left_is_no_output_or_all_of_it() throws Exception {
    List<String> lines = new ArrayList<>(Rows.sqlLines(ROWS));
    lines.add("not json");
    String input = Rows.write(folder.resolve("in/rows.jsonl"), lines);
    Path outputs = folder.resolve("out");
    int changes = killedWhenAllHaveStopped(input, outputs);
    assertThat(rowsOf(outputs.resolve(NEVER))).isEqualTo(ROWS);
    List<Path> whole = new ArrayList<>();
    for (int i = 0; i < POINTS; i++) {
      Path output = outputs.resolve(Main.name(i, changes));
      if (Files.exists(output)) {
        assertThat(rowsOf(output)).isEqualTo(ROWS);
        whole.add(output);
      }
    }
    // Before its last change, which is tidying up, a job's output is there; before all others not.
    assertThat(whole).containsExactly(outputs.resolve(Main.name(POINTS - 1, changes)));
    nextRunCleansUp(
        input, outputs.resolve(Main.name(5, changes)), outputs.resolve(Main.name(4, changes)));
  }

  /**
   * @return the changes that a job makes in all
   */
  private int killedWhenAllHaveStopped(String input, Path outputs) throws Exception {
    Path told = Files.createDirectory(folder.resolve("told"));
    Path log = folder.resolve("log");
    Process process = process(input, outputs, told, log);
    try {
      await()
          .atMost(Duration.ofMinutes(3))
          .until(() -> stopped(told).size() == POINTS || !process.isAlive());
      assertThat(stopped(told)).as(Files.readString(log)).hasSize(POINTS);
    } finally {
      // SIGKILL: nothing of that process runs any more.
      assertThat(process.destroyForcibly().waitFor()).isEqualTo(128 + 9);
    }
    int changes = Integer.parseInt(Files.readString(told.resolve(Main.CHANGES)));
    assertThat(changes).isGreaterThanOrEqualTo(POINTS);
    return changes;
  }

  private static List<Path> stopped(Path told) throws IOException {
    try (Stream<Path> files = Files.list(told)) {
      return files
          .filter(file -> file.getFileName().toString().startsWith(StoppingFileSystem.STOPPED))
          .toList();
    }
  }

  private static Process process(String input, Path outputs, Path told, Path log)
      throws IOException {
    List<String> options = new ArrayList<>(ChildJvm.sparkOptions());
    options.addAll(ChildJvm.SHORT_LIVED);
    options.add("-Xmx512m");
    options.add("-D%s=%s".formatted(StoppingFileSystem.TOLD, told));
    return new ProcessBuilder(ChildJvm.command(options, Main.class, input, outputs.toString()))
        .redirectErrorStream(true)
        .redirectOutput(log.toFile())
        .start();
  }

  /** The next job for the same output deletes what the dead one left, and no other's. */
  private static void nextRunCleansUp(String input, Path output, Path other) throws IOException {
    assertThat(beside(output)).isNotEmpty();
    List<Path> others = beside(other);
    new Prepare(SparkSessions.shared(), Configs.to(output).input(input).maxRejected(1).config())
        .run();
    assertThat(rowsOf(output)).isEqualTo(ROWS);
    assertThat(beside(output)).isEmpty();
    assertThat(beside(other)).isNotEmpty().isEqualTo(others);
  }

  private static List<Path> beside(Path output) throws IOException {
    try (Stream<Path> all = Files.list(output.getParent())) {
      return all.filter(path -> path.getFileName().toString().contains(output.getFileName() + "-"))
          .toList();
    }
  }

  private static long rowsOf(Path out) throws IOException {
    Path manifest = out.resolve(DatasetManifest.NAME);
    for (JsonNode file : new ObjectMapper().readTree(manifest.toFile()).get("files")) {
      assertThat(out.resolve(file.get("path").asText())).hasSize(file.get("bytes").asLong());
    }
    return (long) Files.readAllLines(out.resolve("train_dataset.json")).size()
        + Files.readAllLines(out.resolve("test_dataset.json")).size();
  }
}
