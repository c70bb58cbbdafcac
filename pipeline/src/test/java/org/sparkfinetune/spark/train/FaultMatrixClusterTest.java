package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sparkfinetune.engine.fsdp.Eviction;
import org.sparkfinetune.engine.metrics.AttemptLog;
import org.sparkfinetune.engine.metrics.AttemptLog.AttemptEvent;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.ChildJvm;

/**
 * What must hold when something dies in a run of two executors. Each build runs a few of the cases;
 * {@code mvn verify -Pfaults} runs all and writes the table in {@code jobs/docs/faults.md}.
 */
class FaultMatrixClusterTest {
  private static final boolean ALL = Boolean.getBoolean("faults");
  private static final long PID = ProcessHandle.current().pid();

  /** The last moment comes after step 20, and a signal takes its time to arrive. */
  private static final int STEPS = 24;

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
  private static List<String> evaluations;
  private static JavaSparkContext spark;

  static Stream<FaultCase> cases() {
    Pattern wanted = Pattern.compile(System.getProperty("faults.cases", ""));
    Stream<FaultCase> cases = ALL ? FaultCases.all() : FaultCases.few();
    return cases.filter(fault -> wanted.matcher(fault.toString()).find());
  }

  @BeforeAll
  static void trainOnce() throws IOException {
    shards = disk("shards");
    scratch = disk("scratch");
    runs = disk("runs");
    sample = new SampleRun(folder);
    spark = Contexts.twoExecutors(1, FaultDriver.settings(folder, shards, scratch));
    Path run = folder.resolve("uninterrupted");
    sample.train(spark, run, keys(FaultCase.STEERED));
    adapter = SampleRun.adapter(run);
    losses = losses(run);
    evaluations = evaluations(run);
  }

  /** Each step once, in order, with its loss, and the mean of all. */
  private static List<String> losses(Path run) throws IOException {
    Stream<String> steps =
        SampleRun.metrics(run, "loss").stream()
            .map(line -> line.path("step") + ": " + line.path("loss"));
    String mean = "mean: " + SampleRun.summary(run).path("train_loss");
    return Stream.concat(steps, Stream.of(mean)).toList();
  }

  private static List<String> evaluations(Path run) throws IOException {
    return SampleRun.metrics(run, "eval_loss").stream()
        .map(
            line ->
                "%s: %s %s"
                    .formatted(line.path("step"), line.path("eval_loss"), line.path("eval_long")))
        .toList();
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
    Files.deleteIfExists(FaultDriver.awayMarker(folder));
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
    switch (fault.place()) {
      case SMALL_DISKS -> TABLE.assume(fault, !DISKS.isEmpty(), "a small disk needs root");
      case OWN_NETWORK ->
          TABLE.assume(fault, OwnNetwork.isAllowed(), "a network of its own needs root");
      case ANY, STORE -> {}
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

  /**
   * How the command ended that met the fault.
   *
   * @param exitCode of a driver that is a process of its own, else 0
   * @param output of such a driver, its end
   */
  private record End(int exitCode, String output, Optional<RunFailure> failure) {}

  private static String[] keys(List<String> words) {
    return Stream.concat(Stream.of("--max_steps", Integer.toString(STEPS)), words.stream())
        .toArray(String[]::new);
  }

  private static End train(FaultCase fault, Path run) {
    try {
      Store store = new Store(spark.hadoopConfiguration());
      sample.train(spark, store, run, keys(fault.keys(run)));
      return new End(0, "", Optional.empty());
    } catch (RunFailure e) {
      return new End(0, "", Optional.of(e));
    }
  }

  private static End trainArmed(FaultCase fault, Path run)
      throws IOException, InterruptedException {
    try {
      if (!fault.hasOwnDriver()) {
        fault(fault, run, PID).arm(folder);
        return train(fault, run);
      }
      try (FaultDriver driver = FaultDriver.start(folder, run, fault)) {
        fault(fault, run, driver.pid()).arm(folder);
        return new End(driver.exitCode(), driver.output(), Optional.empty());
      }
    } finally {
      Fault.disarm(folder);
    }
  }

  /** Empty if the run came to its end without the fault. */
  private static Optional<String> heldAfter(FaultCase fault)
      throws IOException, InterruptedException {
    Path run = runs.resolve("run");
    End end = trainArmed(fault, run);
    if (!Files.exists(Fault.claimed(folder))) {
      assertThat(end.failure()).isEmpty();
      return Optional.empty();
    }
    String held =
        switch (fault.outcome()) {
          case NEXT_ATTEMPT, NEXT_ATTEMPT_FROM_AN_OLDER_ONE, UNNOTICED -> {
            assertThat(end.exitCode()).as(end.output()).isZero();
            assertThat(end.failure()).isEmpty();
            yield goneOn(fault, run);
          }
          case NEXT_COMMAND -> {
            assertThat(end.exitCode()).as(end.output()).isEqualTo(128 + 9);
            assertThat(train(fault, run).failure()).isEmpty();
            yield goneOn(fault, run);
          }
          case STOPS -> stoppedAndGoneOn(fault, run, end.failure());
          case WAITS_FOR_A_REPAIR -> repairedAndGoneOn(fault, run, end.failure());
        };
    assertThat(SampleRun.adapter(run)).isEqualTo(adapter);
    assertThat(losses(run)).isEqualTo(losses);
    if (fault.moment() != FaultCase.Moment.EVALUATION) {
      assertThat(evaluations(run)).isEqualTo(evaluations);
    }
    return Optional.of(held);
  }

  private static Fault fault(FaultCase fault, Path run, long driver) {
    String command =
        fault
            .command()
            .replace("EVICTION", java(Eviction.class))
            .replace("SECOND_DRIVER", java(SecondDriver.class))
            .replace("DRIVER", Long.toString(driver))
            .replace("RUN", run.toString())
            .replace("SHARDS", shards.toString())
            .replace("SCRATCH", scratch.toString())
            .replace("AWAY", FaultDriver.awayMarker(folder).toString());
    Path after =
        fault.moment().checkpointOfStep > 0
            ? run.resolve(
                "checkpoints/step-%08d/manifest.json".formatted(fault.moment().checkpointOfStep))
            : run.resolve("tokenized");
    return new Fault(run, after, fault.moment().type, fault.moment().method, command);
  }

  private static String java(Class<?> main) {
    return String.join(" ", ChildJvm.command(ChildJvm.SHORT_LIVED, main));
  }

  /** Every start after the fault went on from what was saved when it happened. */
  private static String goneOn(FaultCase fault, Path run) throws IOException {
    long saved = savedAtTheMoment(fault);
    List<Long> starts = starts(run);
    long last = starts.get(starts.size() - 1);
    if (fault.outcome() == FaultCase.Outcome.UNNOTICED) {
      assertThat(starts).hasSize(1);
      return "one attempt";
    }
    assertThat(starts).as("starts").hasSizeGreaterThan(1).startsWith(0L);
    assertThat(events(run).get(events(run).size() - 1).kind())
        .isEqualTo(AttemptEvent.Kind.FINISHED);
    if (fault.outcome() != FaultCase.Outcome.NEXT_COMMAND) {
      assertThat(SampleRun.summary(run).path("attempts").asInt()).isEqualTo(starts.size());
    }
    if (fault.death().equals(FaultCases.ONE_EXECUTOR)) {
      assertThat(starts).hasSize(2);
      assertThat(events(run, AttemptEvent.Kind.FAILED))
          .allSatisfy(failed -> assertThat(failed.why()).contains("executor was lost"));
    }
    assertThat(last).isGreaterThanOrEqualTo(saved);
    if (fault.outcome() == FaultCase.Outcome.NEXT_ATTEMPT_FROM_AN_OLDER_ONE) {
      assertThat(last).isNotEqualTo(DAMAGED_STEP);
    }
    return "start %d, from step %d on".formatted(starts.size(), last);
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
    assertThat(failure.get())
        .hasMessageContaining("The run was stopped (SIGTERM) after step")
        .hasMessageContaining("The same command goes on");
    assertThat(run.resolve("adapter")).doesNotExist();
    assertThat(SampleRun.metrics(run, "loss")).hasSizeLessThan(STEPS);
    assertThat(train(fault, run).failure()).isEmpty();
    long stopped = events(run, AttemptEvent.Kind.STOPPED).get(0).step();
    assertThat(stopped).isPositive();
    assertThat(starts(run)).containsExactly(0L, stopped);
    return "stopped after step %d, gone on from there".formatted(stopped);
  }

  private static String repairedAndGoneOn(FaultCase fault, Path run, Optional<RunFailure> failure)
      throws IOException {
    assertThat(failure).isPresent();
    assertThat(failure.get())
        .hasMessageContaining("No space left on device")
        .hasMessageContaining(folder.toString());
    emptyDisks();
    assertThat(train(fault, run).failure()).isEmpty();
    List<Long> starts = starts(run);
    long from = starts.get(starts.size() - 1);
    assertThat(from).isGreaterThanOrEqualTo(savedAtTheMoment(fault));
    return "said what is full; after a repair from step %d on".formatted(from);
  }

  private static void emptyDisks() throws IOException {
    for (Path place : List.of(shards, scratch, runs)) {
      Files.deleteIfExists(Path.of(place + ".kept"));
      await().atMost(Duration.ofMinutes(2)).until(() -> !Files.exists(Path.of(place + ".keeping")));
      Files.deleteIfExists(place.resolve("full"));
    }
  }

  private static List<AttemptEvent> events(Path run) {
    Store files = new Store(new Configuration());
    return new AttemptLog(RunFolder.of(run.toString()), files).read();
  }

  private static List<AttemptEvent> events(Path run, AttemptEvent.Kind kind) {
    return events(run).stream().filter(event -> event.kind() == kind).toList();
  }

  private static List<Long> starts(Path run) {
    return events(run, AttemptEvent.Kind.STARTED).stream().map(AttemptEvent::step).toList();
  }
}
