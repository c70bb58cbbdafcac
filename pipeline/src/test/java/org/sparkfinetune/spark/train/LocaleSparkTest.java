package org.sparkfinetune.spark.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A JVM writes numbers as its locale does unless it is told not to. */
class LocaleSparkTest {
  private static final Locale BEFORE = Locale.getDefault();
  private static JavaSparkContext spark;
  private static SampleRun sample;
  private static Path expected;
  @TempDir static Path folder;

  @BeforeAll
  static void trainOnce() throws IOException {
    spark = Contexts.local();
    sample = new SampleRun(folder);
    expected = folder.resolve("run");
    Locale.setDefault(Locale.ROOT);
    train(expected);
  }

  @AfterEach
  void reset() {
    Locale.setDefault(BEFORE);
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  private static void train(Path run) {
    sample.train(spark, run, "--max_steps", "4", "--save_steps", "2");
  }

  @ParameterizedTest
  @ValueSource(strings = {"ar-EG-u-nu-arab", "hi-IN-u-nu-deva", "de-DE", "tr-TR"})
  void the_files_of_a_run_are_the_same_in_every_locale(String tag) throws IOException {
    Path run = folder.resolve(tag);
    Locale.setDefault(Locale.forLanguageTag(tag));
    train(run);
    Files.delete(run.resolve("summary.json"));
    train(run);
    assertThat(names(run)).containsAll(names(expected));
    assertThat(SampleRun.checkpoints(run)).isEqualTo(SampleRun.checkpoints(expected));
    assertThat(SampleRun.adapter(run)).isEqualTo(SampleRun.adapter(expected));
    assertThat(losses(run)).isEqualTo(losses(expected));
    for (String name : List.of("summary.json", "metrics.jsonl", "attempts.jsonl", "report.html")) {
      assertThat(run.resolve(name)).content().doesNotContainPattern("[\\p{Nd}&&[^0-9]]");
    }
    // Between tags; a chart's coordinates have commas in every locale.
    assertThat(run.resolve("report.html")).content().doesNotContainPattern(">[0-9]+,[0-9]+[ %<]");
  }

  private static List<JsonNode> losses(Path run) throws IOException {
    return SampleRun.metrics(run, "loss").stream().map(line -> line.path("loss")).toList();
  }

  /** Of all files, with the digits 0 to 9 hidden where names tell a time. */
  private static List<String> names(Path run) throws IOException {
    try (Stream<Path> files = Files.walk(run)) {
      return files
          .map(file -> run.relativize(file).toString())
          .map(name -> name.contains("tfevents") ? name.replaceAll("[0-9]+", "0") : name)
          .distinct()
          .sorted()
          .toList();
    }
  }
}
