package org.sparkfinetune.engine.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sparkfinetune.store.Store;

class MetricsTailTest {
  private static final int HOURS = 3;

  private final Store store = new Store(new Configuration());
  private final ManualClock clock = new ManualClock();
  private final Store files = new Store(store.hadoop(), clock);

  @TempDir Path folder;

  @Test
  void each_look_tells_what_is_new() throws IOException {
    MetricsTail tail = new MetricsTail(run(), files);
    assertThat(tail.look()).isZero();
    try (MetricsLog log = MetricsLog.start(run(), files)) {
      log.write(train(1, 1));
      assertThat(tail.look()).isZero();
      assertThat(tail.lines()).containsExactly(train(1, 1));
      assertThat(tail.look()).isEqualTo(1);
      log.write(train(2, 1));
      log.write(new MetricsLine.Eval(2, 1, 5, 9, 3));
      assertThat(tail.look()).isEqualTo(1);
      assertThat(tail.lines()).isEqualTo(MetricsLog.read(run(), files)).hasSize(3);
    }
    Files.writeString(folder.resolve("metrics.jsonl"), "{\"st", StandardOpenOption.APPEND);
    assertThat(tail.look()).isEqualTo(3);
    assertThat(tail.lines()).hasSize(3);
  }

  @Test
  void lines_that_a_resumed_run_takes_back_are_not_new_again() {
    MetricsTail tail = new MetricsTail(run(), files);
    write(6, 1);
    tail.look();
    try (MetricsLog log = MetricsLog.resume(run(), files, 4)) {
      log.write(train(5, 2));
      assertThat(tail.look()).isEqualTo(4);
      assertThat(tail.lines()).hasSize(5).endsWith(train(5, 2));
      log.write(train(6, 2));
      log.write(train(7, 2));
      assertThat(tail.look()).isEqualTo(5);
      assertThat(tail.lines()).isEqualTo(MetricsLog.read(run(), files)).hasSize(7);
    }
  }

  @Test
  void another_run_in_the_folder_is_read_from_its_start() {
    MetricsTail tail = new MetricsTail(run(), files);
    write(6, 1);
    tail.look();
    write(9, 3);
    assertThat(tail.look()).isZero();
    assertThat(tail.lines()).hasSize(9);
  }

  /** A look a second is 3,600 an hour, each of which would read all of the file. */
  @ParameterizedTest(name = "steps of {0} s")
  @CsvSource({"1, 360", "8, 360", "300, 100"})
  void an_hour_on_an_object_store_takes_few_requests_and_bytes(int stepSeconds, int atMost)
      throws IOException {
    org.apache.hadoop.fs.Path root = MemoryStore.create(store.hadoop());
    MemoryStore memory = (MemoryStore) store.fileSystem(root);
    RunFolder run = new RunFolder(root);
    MetricsTail tail = new MetricsTail(run, files);
    int steps = HOURS * 3600 / stepSeconds;
    try (MetricsLog log = MetricsLog.start(run, files)) {
      Instant look = clock.instant();
      for (int step = 1; step <= steps; step++) {
        Instant end = clock.instant().plusSeconds(stepSeconds);
        while (look.isBefore(end)) {
          tail.look();
          look = look.plus(tail.pause());
        }
        clock.pass(Duration.between(clock.instant(), end));
        log.write(train(step, stepSeconds));
      }
    }
    tail.look();
    int requests = memory.requests();
    long bytes = memory.readBytes();
    assertThat(tail.lines()).hasSize(steps);
    assertThat(requests / HOURS).isLessThanOrEqualTo(atMost + 1);
    assertThat(bytes).isLessThan(2L * files.read(run.metrics()).orElseThrow().length);
  }

  private void write(int steps, double stepSeconds) {
    try (MetricsLog log = MetricsLog.start(run(), files)) {
      for (int step = 1; step <= steps; step++) {
        log.write(train(step, stepSeconds));
      }
    }
  }

  private RunFolder run() {
    return RunFolder.of(folder.toString());
  }

  private static MetricsLine.Train train(long step, double stepSeconds) {
    return new MetricsLine.Train(
        step,
        step / 10.0,
        1.0 / step,
        0.3,
        2e-4,
        100,
        50,
        1,
        Map.of(),
        new MetricsLine.Pace(step * stepSeconds, stepSeconds, 1 << 20));
  }
}
