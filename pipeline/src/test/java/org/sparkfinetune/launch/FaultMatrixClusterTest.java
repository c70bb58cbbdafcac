package org.sparkfinetune.launch;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.errors.RunFailure;

/**
 * What must hold when something dies in a run of two executors. Each build runs a few of the cases;
 * {@code mvn verify -Pfaults} runs all and writes the table in {@code jobs/docs/faults.md}.
 */
class FaultMatrixClusterTest {
  private static final boolean ALL = Boolean.getBoolean("faults");
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final long PID = ProcessHandle.current().pid();
  private static final int SAVE_STEPS = 4;
  private static final int DAMAGED_STEP = 8;
  private static final int ROUNDS = 4;

  @TempDir static Path folder;
  private static final FaultTable TABLE = new FaultTable();
  private static final List<SmallDisk> DISKS = new ArrayList<>();
  private static Path shards;
  private static Path scratch;
  private static Path runs;
  private static SampleRun sample;
  private static byte[] adapter;
  private static List<String> losses;
  private static JavaSparkContext spark;

  static Stream<FaultCase> cases() {
    return ALL ? FaultCases.all() : FaultCases.few();
  }

  @BeforeAll
  static void trainOnce() throws IOException {
    shards = disk("shards");
    scratch = disk("scratch");
    runs = disk("runs");
    sample = new SampleRun(folder);
    spark = Contexts.twoExecutors(1, FaultDriver.settings(folder, shards, scratch));
    Path run = folder.resolve("uninterrupted");
    sample.train(spark, run);
    adapter = SampleRun.adapter(run);
    losses = losses(run);
  }

  /** Each step once, in order, with its loss, and the mean of all. */
  private static List<String> losses(Path run) throws IOException {
    Stream<String> steps =
        SampleRun.metrics(run, "loss").stream()
            .map(line -> line.path("step") + ": " + line.path("loss"));
    String mean = "mean: " + SampleRun.summary(run).path("train_loss");
    return Stream.concat(steps, Stream.of(mean)).toList();
  }

  /** A disk that is soon full, where this user can make one; for the cases that fill it. */
  private static Path disk(String name) throws IOException {
    Path place = Files.createDirectories(folder.resolve(name));
    if (ALL) {
      SmallDisk.at(place).ifPresent(DISKS::add);
    }
    return place;
  }

  @AfterAll
  static void stop() throws IOException {
    spark.stop();
    for (SmallDisk disk : DISKS) {
      disk.close();
    }
    if (ALL) {
      TABLE.write(Path.of("../jobs/docs/faults.md"));
    }
  }

  @AfterEach
  void repair() throws IOException {
    emptyDisks();
    try (Stream<Path> files = Files.walk(runs)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        if (!file.equals(runs)) {
          Files.delete(file);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void a_death_costs_the_steps_since_the_last_save_and_nothing_else(FaultCase fault)
      throws IOException, InterruptedException {
    if (fault.command().contains("/full")) {
      TABLE.assume(fault, !DISKS.isEmpty(), "a small disk needs root");
    }
    if (fault.isOfTheNetwork()) {
      TABLE.assume(fault, OwnNetwork.isAllowed(), "a network of its own needs root");
    }
    try {
      Optional<String> held = Optional.empty();
      // A short moment can pass between two looks at what the threads are doing.
      for (int round = 0; held.isEmpty() && round < ROUNDS; round++) {
        repair();
        held = heldAfter(fault);
      }
      assertThat(held).as("what held, once the moment had come").isPresent();
      TABLE.held(fault, held.get());
    } catch (AssertionError | RuntimeException | IOException e) {
      TABLE.failed(fault, e);
      throw e;
    }
  }

  /** Empty if the run came to its end without the fault. */
  private static Optional<String> heldAfter(FaultCase fault)
      throws IOException, InterruptedException {
    Path run = runs.resolve("run");
    try (FaultDriver driver =
        fault.hasOwnDriver() ? FaultDriver.start(folder, run, fault) : FaultDriver.none()) {
      fault(fault, run, driver.pid().orElse(PID)).arm(folder);
      Optional<RunFailure> failure = Optional.empty();
      int exitCode = 0;
      if (fault.hasOwnDriver()) {
        exitCode = driver.exitCode();
      } else {
        failure = train(fault, run);
      }
      Fault.disarm(folder);
      if (!Files.exists(Fault.claimed(folder))) {
        assertThat(failure).isEmpty();
        return Optional.empty();
      }
      String held =
          switch (fault.outcome()) {
            case NEXT_ATTEMPT, NEXT_ATTEMPT_FROM_AN_OLDER_ONE, UNNOTICED -> {
              assertThat(exitCode).as(driver.output()).isZero();
              assertThat(failure).isEmpty();
              yield goneOn(fault, run);
            }
            case NEXT_COMMAND -> {
              assertThat(exitCode).as(driver.output()).isEqualTo(128 + 9);
              assertThat(train(fault, run)).isEmpty();
              yield goneOn(fault, run);
            }
            case STOPS -> stoppedAndGoneOn(fault, run, failure);
            case WAITS_FOR_A_REPAIR -> repairedAndGoneOn(fault, run, failure);
          };
      assertThat(SampleRun.adapter(run)).isEqualTo(adapter);
      assertThat(losses(run)).isEqualTo(losses);
      return Optional.of(held);
    }
  }

  private static Fault fault(FaultCase fault, Path run, long driver) {
    String command =
        fault
            .command()
            .replace("DRIVER", Long.toString(driver))
            .replace("RUN", run.toString())
            .replace("SHARDS", shards.toString())
            .replace("SCRATCH", scratch.toString())
            .replace("AWAY", FaultDriver.awayMarker(folder).toString());
    Path after =
        fault.moment().afterCheckpoint
            ? run.resolve("checkpoints/step-00000008/manifest.json")
            : run.resolve("tokenized");
    return new Fault(run, after, fault.moment().type, fault.moment().method, command);
  }

  private static Optional<RunFailure> train(FaultCase fault, Path run) {
    String[] keys = fault.keys(run).toArray(String[]::new);
    try {
      sample.train(spark, spark.hadoopConfiguration(), run, keys);
      return Optional.empty();
    } catch (RunFailure e) {
      return Optional.of(e);
    }
  }

  /** Every start after the fault went on from what was saved when it happened. */
  private static String goneOn(FaultCase fault, Path run) throws IOException {
    long saved = savedAtTheMoment(fault);
    List<JsonNode> starts = events(run, "started");
    JsonNode last = starts.get(starts.size() - 1);
    if (fault.outcome() == FaultCase.Outcome.UNNOTICED) {
      assertThat(starts).hasSize(1);
      return "one attempt";
    }
    assertThat(starts).as("starts").hasSizeGreaterThan(1);
    assertThat(last.path("step").asLong()).isGreaterThanOrEqualTo(saved);
    if (fault.outcome() == FaultCase.Outcome.NEXT_ATTEMPT_FROM_AN_OLDER_ONE) {
      assertThat(last.path("step").asLong()).isNotEqualTo(DAMAGED_STEP);
    }
    return "start %d, from step %d on".formatted(starts.size(), last.path("step").asLong());
  }

  /** The newest checkpoint that the fault left whole. */
  private static long savedAtTheMoment(FaultCase fault) throws IOException {
    List<String> names = Files.readAllLines(Fault.claimed(folder));
    long newest = names.stream().mapToLong(FaultMatrixClusterTest::step).max().orElse(0);
    boolean older = fault.outcome() == FaultCase.Outcome.NEXT_ATTEMPT_FROM_AN_OLDER_ONE;
    return older && newest == DAMAGED_STEP ? DAMAGED_STEP - SAVE_STEPS : newest;
  }

  private static long step(String checkpoint) {
    return Long.parseLong(checkpoint.replaceAll("\\D+", ""));
  }

  private static String stoppedAndGoneOn(FaultCase fault, Path run, Optional<RunFailure> failure)
      throws IOException {
    if (failure.isEmpty()) {
      assertThat(fault.moment()).isEqualTo(FaultCase.Moment.FINAL_SAVE);
      return "the run came to its end";
    }
    assertThat(failure.get()).hasMessageContaining("The run was stopped (SIGTERM) after step");
    assertThat(train(fault, run)).isEmpty();
    List<JsonNode> starts = events(run, "started");
    assertThat(starts).hasSize(2);
    long stopped = events(run, "stopped").get(0).path("step").asLong();
    assertThat(starts.get(1).path("step").asLong()).isEqualTo(stopped).isPositive();
    return "stopped after step %d, gone on from there".formatted(stopped);
  }

  private static String repairedAndGoneOn(FaultCase fault, Path run, Optional<RunFailure> failure)
      throws IOException {
    assertThat(failure).isPresent();
    assertThat(failure.get())
        .hasMessageContaining("No space left on device")
        .hasMessageContaining(folder.toString());
    emptyDisks();
    assertThat(train(fault, run)).isEmpty();
    List<JsonNode> starts = events(run, "started");
    long from = starts.get(starts.size() - 1).path("step").asLong();
    assertThat(from).isGreaterThanOrEqualTo(savedAtTheMoment(fault));
    return "said what is full; after a repair from step %d on".formatted(from);
  }

  private static void emptyDisks() throws IOException {
    for (Path place : List.of(shards, scratch, runs)) {
      Files.deleteIfExists(place.resolve("full"));
    }
  }

  private static List<JsonNode> events(Path run, String kind) throws IOException {
    List<JsonNode> events = new ArrayList<>();
    for (String line : Files.readAllLines(run.resolve("attempts.jsonl"))) {
      JsonNode event = JSON.readTree(line);
      if (event.path("event").asText().equals(kind)) {
        events.add(event);
      }
    }
    return events;
  }
}
