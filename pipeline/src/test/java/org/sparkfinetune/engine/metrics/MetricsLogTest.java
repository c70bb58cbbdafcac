package org.sparkfinetune.engine.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;
import org.sparkfinetune.store.Store;

class MetricsLogTest {

  private final Store store = new Store(new Configuration());
  private final ManualClock clock = new ManualClock();
  private final Store files = new Store(store.hadoop(), clock);

  @TempDir Path folder;

  @Test
  void a_line_has_the_promised_keys_in_order_and_full_precision() throws IOException {
    try (MetricsLog log = MetricsLog.start(run(), files)) {
      log.write(new MetricsLine.Train(3, 0.1, 1.0 / 3, 1e-300, 2e-4, 1024, 512.25, 2));
      log.write(new MetricsLine.Eval(3, 0.1, 0.1 + 0.2, 77));
    }
    assertThat(lines())
        .containsExactly(
            "{\"step\":3,\"epoch\":0.1,\"loss\":0.3333333333333333,\"grad_norm\":1.0E-300,"
                + "\"learning_rate\":2.0E-4,\"trained_tokens\":1024,"
                + "\"tokens_per_second\":512.25,\"attempt\":2}",
            "{\"step\":3,\"epoch\":0.1,\"eval_loss\":0.30000000000000004,"
                + "\"eval_trained_tokens\":77}");
  }

  @Test
  void a_reader_sees_each_line_before_the_log_is_closed() throws IOException {
    try (MetricsLog log = MetricsLog.start(run(), files)) {
      assertThat(lines()).isEmpty();
      log.write(train(1));
      assertThat(lines()).hasSize(1);
      log.write(train(2));
      assertThat(lines()).hasSize(2);
      assertThat(MetricsLog.read(run(), files)).containsExactly(train(1), train(2));
    }
  }

  @Test
  void a_new_run_begins_with_an_empty_log() throws IOException {
    Files.writeString(folder.resolve("metrics.jsonl"), "of another run\n");
    MetricsLog.start(run(), files).close();
    assertThat(lines()).isEmpty();
  }

  @Test
  void a_resumed_run_has_no_step_twice() throws IOException {
    try (MetricsLog log = MetricsLog.start(run(), files)) {
      log.write(new MetricsLine.Eval(0, 0, 7, 9));
      Stream.of(1, 2, 3, 4).map(MetricsLogTest::train).forEach(log::write);
      log.write(new MetricsLine.Eval(2, 1, 5, 9));
    }
    try (MetricsLog log = MetricsLog.resume(run(), files, 2)) {
      log.write(train(3));
    }
    assertThat(MetricsLog.read(run(), files))
        .containsExactly(
            new MetricsLine.Eval(0, 0, 7, 9),
            train(1),
            train(2),
            new MetricsLine.Eval(2, 1, 5, 9),
            train(3));
    try (Stream<Path> left = Files.list(folder)) {
      assertThat(left).containsExactly(folder.resolve("metrics.jsonl"));
    }
  }

  @Test
  void lines_that_are_kept_keep_their_bytes() throws IOException {
    try (MetricsLog log = MetricsLog.start(run(), files)) {
      log.write(new MetricsLine.Train(1, 1 / 3.0, Math.PI, Math.E, 2e-4, 1, 1e9 / 7, 1));
      log.write(new MetricsLine.Train(2, 0, Double.NaN, Double.POSITIVE_INFINITY, 0, 0, 0, 1));
    }
    List<String> before = lines();
    MetricsLog.resume(run(), files, 2).close();
    assertThat(lines()).isEqualTo(before);
    assertThat(before.get(1)).contains("\"loss\":\"NaN\",\"grad_norm\":\"Infinity\"");
  }

  @Test
  void a_line_that_a_kill_cut_off_is_dropped() throws IOException {
    MetricsLog log = MetricsLog.start(run(), files);
    log.write(train(1));
    log.close();
    Files.writeString(
        folder.resolve("metrics.jsonl"), "{\"step\":2,\"ep", StandardOpenOption.APPEND);
    try (MetricsLog resumed = MetricsLog.resume(run(), files, 1)) {
      resumed.write(train(2));
    }
    assertThat(MetricsLog.read(run(), files)).containsExactly(train(1), train(2));
  }

  @Test
  void resuming_where_there_is_no_log_begins_one() throws IOException {
    MetricsLog.resume(run(), files, 5).close();
    assertThat(lines()).isEmpty();
  }

  @Test
  void a_foreign_line_is_named_with_its_number() throws IOException {
    Files.writeString(folder.resolve("metrics.jsonl"), train(1).json() + "\nhello\n");
    assertThatThrownBy(() -> MetricsLog.resume(run(), files, 1))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("metrics.jsonl:2: this is not a line of metrics;");
  }

  @Test
  void a_store_that_refuses_is_a_run_failure_with_the_path() throws IOException {
    Path file = Files.createFile(folder.resolve("a-file"));
    RunFolder inside = RunFolder.of(file.toString());
    assertThatThrownBy(() -> MetricsLog.start(inside, files))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("a-file/metrics.jsonl could not be written: ");
  }

  @Test
  void on_an_object_store_the_file_is_written_again_at_intervals_and_when_flushed()
      throws IOException {
    org.apache.hadoop.fs.Path root = MemoryStore.create(store.hadoop());
    MemoryStore memory = (MemoryStore) store.fileSystem(root);
    RunFolder run = new RunFolder(root);
    try (MetricsLog log = MetricsLog.start(run, files)) {
      log.write(train(1));
      log.write(train(2));
      assertThat(MetricsLog.read(run, files)).isEmpty();
      clock.pass(Duration.ofSeconds(30));
      log.write(train(3));
      assertThat(MetricsLog.read(run, files)).containsExactly(train(1), train(2), train(3));
      log.write(train(4));
      assertThat(MetricsLog.read(run, files)).hasSize(3);
      log.flush();
      log.flush();
      assertThat(MetricsLog.read(run, files)).hasSize(4);
    }
    assertThat(memory.writes()).isEqualTo(3);
    try (MetricsLog log = MetricsLog.resume(run, files, 2)) {
      log.write(train(3));
    }
    assertThat(MetricsLog.read(run, files)).containsExactly(train(1), train(2), train(3));
  }

  private RunFolder run() {
    return RunFolder.of(folder.toString());
  }

  private List<String> lines() throws IOException {
    return Files.readAllLines(folder.resolve("metrics.jsonl"));
  }

  private static MetricsLine.Train train(long step) {
    return new MetricsLine.Train(step, step / 10.0, 1.0 / step, 0.3, 2e-4, 100, 50, 1);
  }
}
