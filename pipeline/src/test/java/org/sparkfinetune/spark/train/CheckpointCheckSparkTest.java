package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.engine.checkpoint.StateFile;
import org.sparkfinetune.errors.RunFailure;
import org.sparkfinetune.model.safetensors.DType;
import org.sparkfinetune.store.Store;

class CheckpointCheckSparkTest {
  private static final int RANKS = 3;
  private static JavaSparkContext spark;
  private final Store store = new Store(new Configuration());
  private final List<StateFile> files = new ArrayList<>();
  @TempDir Path folder;

  @BeforeAll
  static void start() {
    spark = Contexts.local();
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  @BeforeEach
  void write() {
    for (int rank = 0; rank < RANKS; rank++) {
      ByteBuffer values = ByteBuffer.allocate(1 << 16);
      StateFile.Part part = new StateFile.Part("parameters/layer", DType.F32, List.of(values));
      files.add(StateFile.write(path("file://" + folder), store, rank, RANKS, List.of(part)));
    }
  }

  private static org.apache.hadoop.fs.Path path(String text) {
    return new org.apache.hadoop.fs.Path(text);
  }

  private List<String> damages(String folder) {
    return new CheckpointCheck(spark, store).damages(path(folder), files);
  }

  @Test
  void a_task_reads_a_file_and_says_what_is_wrong_with_it() throws IOException {
    spark.setJobGroup("check", "", false);
    assertThat(damages("file://" + folder)).isEmpty();
    int[] jobs = spark.statusTracker().getJobIdsForGroup("check");
    assertThat(jobs).hasSize(1);
    int stage = spark.statusTracker().getJobInfo(jobs[0]).stageIds()[0];
    assertThat(spark.statusTracker().getStageInfo(stage).numTasks()).isEqualTo(RANKS);

    Path second = folder.resolve(files.get(1).name());
    byte[] bytes = Files.readAllBytes(second);
    bytes[1 << 15] ^= 1;
    Files.write(second, bytes);
    Files.delete(folder.resolve(files.get(2).name()));
    List<String> damages = damages("file://" + folder);
    assertThat(damages).hasSize(2);
    assertThat(damages.get(0)).startsWith("file:" + second + " has the checksum ");
    assertThat(damages.get(1)).endsWith(files.get(2).name() + " is missing");
  }

  @Test
  void a_store_that_is_away_is_a_failure_and_no_damage() throws IOException {
    Path marker = Files.createFile(folder.resolve("away"));
    store.hadoop().set("fs.away.impl.disable.cache", "true");
    store.hadoop().set("fs.away.impl", AwayFileSystem.class.getName());
    store.hadoop().set(AwayFileSystem.MARKER, marker.toString());
    assertThatThrownBy(() -> damages("away://" + folder)).isInstanceOf(RunFailure.class);
    Files.delete(marker);
    assertThat(damages("away://" + folder)).isEmpty();
  }
}
