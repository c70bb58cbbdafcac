package org.sparkfinetune.spark.prepare;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sparkfinetune.store.Store;
import org.sparkfinetune.testing.SparkSessions;

/** Half-written files of tasks that failed or died. */
final class PartFilesSparkTest {
  private static final String PART = "train/part-00000.parquet";
  @TempDir private Path folder;

  @Test
  void a_task_that_fails_takes_its_half_of_a_file_away() throws IOException {
    Files.createDirectories(folder.resolve("train"));
    OutputFolder.Parts files =
        new OutputFolder.Parts(
            new Store(new Configuration()), new org.apache.hadoop.fs.Path(folder.toUri()));
    JavaSparkContext spark =
        JavaSparkContext.fromSparkContext(SparkSessions.shared().sparkContext());
    assertThatThrownBy(
            () ->
                spark
                    .parallelize(List.of(1), 1)
                    .foreach(
                        row -> {
                          files.create(PART).write("half".getBytes(UTF_8));
                          throw new IOException("the disk is full");
                        }))
        .hasMessageContaining("the disk is full");
    assertThat(folder.resolve("train")).isEmptyDirectory();
  }

  @Test
  void what_a_task_left_whose_executor_died_is_not_in_the_output() throws IOException {
    Path out = folder.resolve("out");
    try (OutputFolder output =
        OutputFolder.open(
            Configs.to(out).input(folder + "/in").config(),
            List.of(),
            new Store(new Configuration()))) {
      Path train = Path.of(output.parts().path("train").toUri().getPath());
      Files.writeString(train.resolve("part-00000.parquet"), "whole");
      Files.writeString(train.resolve(".part-00000.parquet.0-7.tmp"), "half");
      Files.writeString(train.resolveSibling(".train_dataset.json.0-8.tmp"), "half");
      output.commit(List.of());
    }
    try (Stream<Path> files = Files.list(out.resolve("train"))) {
      assertThat(files).containsExactly(out.resolve("train/part-00000.parquet"));
    }
    assertThat(out).isDirectoryNotContaining(file -> file.getFileName().toString().startsWith("."));
    assertThat(out.resolve("_manifest.json")).content().doesNotContain(".part-");
  }
}
