package org.sparkfinetune.jobs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every command, with folders whose names mean something to globs and URIs, in a cluster whose
 * defaults are Kryo's strictest.
 */
class PlacesAndSettingsSparkTest {
  private static final Path SAMPLE = Path.of("sample").toAbsolutePath();
  private static final Map<String, String> STRICT =
      Map.of(
          "spark.master", "local[2]",
          "spark.ui.enabled", "false",
          "spark.sql.shuffle.partitions", "2",
          "spark.serializer", "org.apache.spark.serializer.KryoSerializer",
          "spark.kryo.registrationRequired", "true");

  @TempDir private Path temporary;
  private Path folder;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @BeforeEach
  void settings() throws IOException {
    // Sessions of tests that ran before have other settings.
    SparkSession.getActiveSession()
        .foreach(
            session -> {
              session.stop();
              return session;
            });
    SparkSession.clearActiveSession();
    SparkSession.clearDefaultSession();
    STRICT.forEach(System::setProperty);
    folder = Files.createDirectory(temporary.resolve("a [b] {c,d} *?%20+#ü:1"));
    List<String> rows = Files.readAllLines(SAMPLE.resolve("new-databases.jsonl")).subList(0, 40);
    Files.write(folder.resolve("rows[1].jsonl"), rows);
    try (var files = Files.newDirectoryStream(SAMPLE.resolve("model"))) {
      Path model = Files.createDirectory(folder.resolve("model"));
      for (Path file : files) {
        Files.copy(file, model.resolve(file.getFileName()));
      }
    }
  }

  @AfterEach
  void clear() {
    STRICT.keySet().forEach(System::clearProperty);
  }

  private String in(String name) {
    return folder.resolve(name).toString();
  }

  private void succeeds(String... words) {
    int code =
        Main.run(
            words,
            new PipelineJobs(new PrintWriter(out, true)),
            new PrintWriter(out, true),
            new PrintWriter(err, true));
    assertThat(code).as(String.join(" ", words) + "\n" + err + out).isZero();
  }

  private String[] training(String command, String... more) {
    List<String> words =
        new ArrayList<>(
            List.of(
                command,
                "--model_id",
                in("model"),
                "--dataset_path",
                in("data"),
                "--output_dir",
                in("run"),
                "--bf16",
                "false",
                "--num_ranks",
                "1",
                "--max_steps",
                "2",
                "--max_seq_length",
                "256",
                "--lora_r",
                "2"));
    words.addAll(List.of(more));
    return words.toArray(String[]::new);
  }

  @Test
  void every_command_takes_every_path_under_strict_kryo() {
    succeeds(
        "prepare",
        "--dataset",
        "sql-create-context",
        "--input",
        in("rows[1].jsonl"),
        "--output",
        in("data"),
        "--test_size",
        "8",
        "--deduplicate",
        "true");
    succeeds(training("check"));
    succeeds(training("tokenize"));
    succeeds(training("train"));
    succeeds(
        "evaluate",
        "--model_id",
        in("model"),
        "--adapter",
        in("run/adapter"),
        "--dataset_path",
        in("data"),
        "--num_samples",
        "2",
        "--max_new_tokens",
        "2");
    succeeds(
        "generate",
        "--model_id",
        in("model"),
        "--adapter",
        in("run/adapter"),
        "--input",
        in("data/test"),
        "--output",
        in("answers"),
        "--max_new_tokens",
        "2");
    succeeds(
        "generate",
        "--model_id",
        in("model"),
        "--input",
        in("data/test_dataset.json"),
        "--output",
        in("answers of lines"),
        "--max_new_tokens",
        "2");
    succeeds(
        "merge",
        "--model_id",
        in("model"),
        "--adapter",
        in("run/adapter"),
        "--output",
        in("merged"));
    assertThat(folder.resolve("merged/model.safetensors")).exists();
    // What prepare wrote is input again, as Parquet too.
    succeeds(
        "prepare",
        "--dataset",
        "messages",
        "--input",
        in("data/train"),
        "--output",
        in("again"),
        "--test_size",
        "2");
    assertThat(folder.resolve("again/train/part-00000.parquet")).exists();
  }

  @Test
  void an_empty_test_split_is_asked_for_only_by_evaluation() {
    succeeds(
        "prepare",
        "--dataset",
        "sql-create-context",
        "--input",
        in("rows[1].jsonl"),
        "--output",
        in("data"),
        "--test_size",
        "0");
    for (String command : List.of("check", "train")) {
      int code =
          Main.run(
              training(command),
              new PipelineJobs(new PrintWriter(out, true)),
              new PrintWriter(out, true),
              new PrintWriter(err, true));
      assertThat(code).isEqualTo(2);
      assertThat(out.toString() + err)
          .contains("the test split in '" + in("data") + "' is empty", "eval_strategy: no");
      out.getBuffer().setLength(0);
      err.getBuffer().setLength(0);
    }
    succeeds(training("check", "--eval_strategy", "no"));
    succeeds(training("train", "--eval_strategy", "no"));
    assertThat(folder.resolve("run/adapter/adapter_model.safetensors")).exists();
  }
}
