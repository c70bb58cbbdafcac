package org.sparkfinetune.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.metrics.AttemptLog;
import org.sparkfinetune.engine.metrics.AttemptLog.AttemptEvent;
import org.sparkfinetune.engine.metrics.ManualClock;
import org.sparkfinetune.engine.metrics.Provenance;
import org.sparkfinetune.engine.metrics.RunFolder;
import org.sparkfinetune.engine.metrics.Summary;
import org.sparkfinetune.engine.metrics.Summary.ExchangeSummary;
import org.sparkfinetune.engine.metrics.Summary.Phase;
import org.sparkfinetune.engine.metrics.Summary.RankSummary;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.errors.UserError;

class StoreTest {

  private final Store files = new Store(new Configuration(), new ManualClock());

  @TempDir Path folder;

  @Test
  void every_path_is_the_promised_one() {
    RunFolder run = RunFolder.of("s3a://bucket/run");
    assertThat(
            List.of(
                run.config(),
                run.provenance(),
                run.metrics(),
                run.summary(),
                run.tensorboard(),
                run.checkpoint(100),
                run.adapter(),
                run.model(),
                run.report()))
        .map(path -> path.toString().replace("s3a://bucket/run/", ""))
        .containsExactly(
            "config.yaml",
            "provenance.json",
            "metrics.jsonl",
            "summary.json",
            "tensorboard",
            "checkpoints/step-00000100",
            "adapter",
            "model",
            "report.html");
  }

  @Test
  void a_checkpoint_folder_says_its_step_and_others_say_none() {
    RunFolder run = RunFolder.of("run");
    assertThat(RunFolder.stepOf(run.checkpoint(123_456_789))).hasValue(123_456_789);
    assertThat(RunFolder.stepOf(run.checkpoint(7))).hasValue(7);
    for (String name : List.of(".step-00000007.tmp", "step-7", "step-00000007.tmp", "adapter")) {
      assertThat(RunFolder.stepOf(new org.apache.hadoop.fs.Path(run.checkpoints(), name)))
          .isEmpty();
    }
  }

  @Test
  void a_path_that_is_none_is_the_users_mistake() {
    assertThatThrownBy(() -> RunFolder.of("a:b:c"))
        .isInstanceOf(UserError.class)
        .hasMessageStartingWith("output_dir is a:b:c; allowed: a path or a Hadoop URI");
  }

  @Test
  void replacing_leaves_one_file_and_no_checksum_files() throws IOException {
    RunFolder run = run();
    files.replace(run.config(), new byte[] {1});
    files.replace(run.config(), new byte[] {2, 3});
    assertThat(files.read(run.config())).hasValue(new byte[] {2, 3});
    try (var left = Files.list(folder.resolve("run"))) {
      assertThat(left).containsExactly(folder.resolve("run/config.yaml"));
    }
    assertThat(files.read(run.summary())).isEmpty();
  }

  @Test
  void a_summary_is_read_as_it_was_written() throws IOException {
    RankSummary use =
        new RankSummary(0, "host", 5L << 30, 4, 0, 3, new ExchangeSummary(5, 6, 7, 0.75), Map.of());
    Summary summary =
        new Summary(
            7,
            1.5,
            2.25,
            1 / 3.0,
            OptionalDouble.of(0.5),
            Optional.of(new Summary.Best("eval_loss", 0.25, 5, true)),
            2,
            List.of(use),
            Map.of(Phase.LOAD, 1.0, Phase.FORWARD, 1.0));
    summary.write(run(), files);
    assertThat(Summary.read(run(), files)).hasValue(summary);
    assertThat(Files.readString(folder.resolve("run/summary.json")))
        .isEqualTo(
            """
            {
              "steps" : 7,
              "train_runtime" : 1.5,
              "tokens_per_second" : 2.25,
              "train_loss" : 0.3333333333333333,
              "eval_loss" : 0.5,
              "metric_for_best_model" : "eval_loss",
              "best_metric" : 0.25,
              "best_step" : 5,
              "load_best_model_at_end" : true,
              "attempts" : 2,
              "bottleneck" : "exchange",
              "ranks" : [ {
                "rank" : 0,
                "host" : "host",
                "peak_rss_bytes" : 5368709120,
                "peak_anonymous_bytes" : 4,
                "peak_gpu_bytes" : 0,
                "shard_bytes" : 3,
                "exchange" : {
                  "mapped_bytes" : 5,
                  "received_bytes" : 6,
                  "sent_bytes" : 7,
                  "seconds_waited" : 0.75
                }
              } ],
              "seconds_by_phase" : {
                "load" : 1.0,
                "tokenize" : 0.0,
                "forward" : 1.0,
                "backward" : 0.0,
                "exchange" : 0.0,
                "optimizer" : 0.0,
                "checkpoint" : 0.0,
                "idle" : 0.0
              }
            }
            """);
  }

  @Test
  void a_summary_without_an_evaluation_says_null() throws IOException {
    Summary summary =
        new Summary(0, 0, 0, 0, OptionalDouble.empty(), Optional.empty(), 1, List.of(), Map.of());
    summary.write(run(), files);
    assertThat(Summary.read(run(), files)).hasValue(summary);
    assertThat(Files.readString(folder.resolve("run/summary.json")))
        .contains("\"eval_loss\" : null", "\"ranks\" : [ ]");
  }

  @Test
  void a_broken_summary_is_named() throws IOException {
    assertThat(Summary.read(run(), files)).isEmpty();
    Files.createDirectories(folder.resolve("run"));
    Files.writeString(folder.resolve("run/summary.json"), "{\"steps\": ");
    assertThatThrownBy(() -> Summary.read(run(), files))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("run/summary.json is not JSON; move it away");
  }

  @Test
  void the_median_speed_leaves_the_first_step_out() {
    assertThat(Summary.medianSpeed(1, 30, 10, 20)).isEqualTo(20);
    assertThat(Summary.medianSpeed(1, 10, 20)).isEqualTo(15);
    assertThat(Summary.medianSpeed(5)).isEqualTo(5);
    assertThat(Summary.medianSpeed()).isEqualTo(0);
  }

  @Test
  void provenance_is_read_as_it_was_written() throws IOException {
    Provenance provenance =
        new Provenance(
            Map.of("java", "17", "spark", "3.5.9"),
            42,
            new Provenance.Source("data", Optional.empty(), "sha256:12"),
            new Provenance.Dataset("sha256:56", Optional.of("sha256:78")),
            new Provenance.Source("m/l", Optional.of("main"), "sha256:34"),
            "file:/cache/56",
            Instant.parse("2026-01-02T03:04:05Z"));
    provenance.write(run(), files);
    assertThat(Provenance.read(run(), files)).hasValue(provenance);
    assertThat(Files.readString(folder.resolve("run/provenance.json")))
        .contains("\"tokenized_path\" : \"file:/cache/56\"", "\"seed\" : 42", "\"spark\" : ");
    assertThat(Provenance.versionsHere()).containsKeys("java", "hadoop", "os");
  }

  private RunFolder run() {
    return RunFolder.of(folder.resolve("run").toString());
  }

  @Test
  void a_write_that_fails_leaves_nothing_aside() throws IOException {
    Store store = new Store(new Configuration());
    store.hadoop().setClass("fs.file.impl", NoRenames.class, FileSystem.class);
    store.hadoop().setBoolean("fs.file.impl.disable.cache", true);
    Store failing = new Store(store.hadoop(), new ManualClock());
    assertThatThrownBy(() -> failing.replace(run().config(), new byte[] {1}))
        .isInstanceOf(RunFailure.class)
        .hasMessageContaining("config.yaml could not be written");
    assertThat(folder.resolve("run")).isEmptyDirectory();
  }

  /** A local disk where renaming fails. */
  public static final class NoRenames extends LocalFileSystem {
    public NoRenames() {
      super(
          new RawLocalFileSystem() {
            @Override
            public boolean rename(org.apache.hadoop.fs.Path from, org.apache.hadoop.fs.Path to) {
              return false;
            }
          });
    }
  }

  @Test
  void what_a_killed_writer_left_aside_is_swept_and_nothing_else() throws IOException {
    files.replace(run().config(), new byte[] {1});
    for (String name : List.of(".config.yaml.tmp", ".lock", "notes.tmp")) {
      Files.createFile(folder.resolve("run").resolve(name));
    }
    files.sweep(run().root());
    try (var left = Files.list(folder.resolve("run"))) {
      assertThat(left)
          .map(file -> file.getFileName().toString())
          .containsExactlyInAnyOrder("config.yaml", ".lock", "notes.tmp");
    }
    files.sweep(run().tensorboard());
  }

  @Test
  void a_damaged_last_line_of_attempts_is_left_out() throws IOException {
    AttemptLog log = new AttemptLog(run(), files);
    log.add(AttemptEvent.Kind.STARTED, 0, "");
    Path file = folder.resolve("run/attempts.jsonl");
    String whole = Files.readString(file);
    for (String damage :
        List.of("{\"event\": \"fin", "\0\0\0\0", "\n", "{\"event\": \"left\"}\n")) {
      Files.writeString(file, whole + damage);
      assertThat(log.read())
          .extracting(AttemptEvent::kind)
          .containsExactly(AttemptEvent.Kind.STARTED);
    }
    log.add(AttemptEvent.Kind.FINISHED, 3, "");
    assertThat(log.read()).extracting(AttemptEvent::step).containsExactly(0L, 3L);
    assertThat(Files.readAllLines(file)).hasSize(2);
  }

  @Test
  void a_damaged_line_among_the_attempts_is_the_users_to_mend() throws IOException {
    AttemptLog log = new AttemptLog(run(), files);
    log.add(AttemptEvent.Kind.STARTED, 0, "");
    Path file = folder.resolve("run/attempts.jsonl");
    Files.writeString(file, "half\n" + Files.readString(file));
    assertThatThrownBy(log::read)
        .isInstanceOf(UserError.class)
        .hasMessageContaining(
            "attempts.jsonl:1: this is not a record of an attempt; move the file away");
  }
}
